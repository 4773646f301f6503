"""What a bundle is: manifest, files, archive, signature, golden photos, record of photos."""
