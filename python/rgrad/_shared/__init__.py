"""Shared helpers: checks of integers, files, progress, holders of parameters, registration with threadpoolctl."""
