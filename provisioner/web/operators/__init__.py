"""What people and their programs ask: the API, a module for each noun."""
