"""What a latent diffusion model is made of, and where its weights come from."""
