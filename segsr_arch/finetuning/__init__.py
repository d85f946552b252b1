"""Fine-tuning of a network on a region: its images, split by place; the run; what comes out."""
