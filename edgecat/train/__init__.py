"""Photos -> checkpoint: fine-tuning with torch."""
