"""The unified multimodal networks of TPAMI 2023 (UMDR): one stream, or a trained head over two frozen ones."""
