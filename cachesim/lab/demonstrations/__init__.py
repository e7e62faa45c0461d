"""What single notebooks show besides: runs and streams made for one point, and parts of the world around a cache."""
