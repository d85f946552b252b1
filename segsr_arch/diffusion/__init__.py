"""Diffusion of latents: schedules, sampling, and the parts of a diffusion network. Knows torch and diffusers alone."""
