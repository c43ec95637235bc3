"""Says what things are: a module for each noun, the lifecycle, the timeline."""
