"""What the first boot is told: NoCloud seeds, and Ubuntu's installer."""
