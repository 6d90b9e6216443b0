"""What modules and apps may rely on, tested over real hosts."""
