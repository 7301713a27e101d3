"""Whatever the package writes: files that are whole or not there, PNG and GIF images, event files of TensorBoard."""
