"""What several rooms use: checks of integers, files, progress, who holds parameters, the thread pool's registration."""
