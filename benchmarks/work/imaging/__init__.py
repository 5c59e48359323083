"""What the benchmark of imaging runs in processes of their own."""
