extension AspectTemplate {
  /// Every aspect ratio of the official scale tables. The smaller budgets use the first scales of each line.
  package static let all: [AspectTemplate] = [
    template(
      "1.000", 1.0,
      "1x1 2x2 4x4 6x6 8x8 12x12 16x16 20x20 24x24 32x32 40x40 48x48 64x64"),
    template(
      "1.250", 1.25,
      "1x1 2x2 3x3 5x4 10x8 15x12 20x16 25x20 30x24 35x28 45x36 55x44 70x56"),
    template(
      "0.800", 0.8,
      "1x1 2x2 3x3 4x5 8x10 12x15 16x20 20x25 24x30 28x35 36x45 44x55 56x70"),
    template(
      "1.333", 1.333,
      "1x1 2x2 4x3 8x6 12x9 16x12 20x15 24x18 28x21 36x27 48x36 60x45 72x54"),
    template(
      "0.750", 0.75,
      "1x1 2x2 3x4 6x8 9x12 12x16 15x20 18x24 21x28 27x36 36x48 45x60 54x72"),
    template(
      "1.500", 1.5,
      "1x1 2x2 3x2 6x4 9x6 15x10 21x14 27x18 33x22 39x26 48x32 63x42 78x52"),
    template(
      "0.666", 0.666,
      "1x1 2x2 2x3 4x6 6x9 10x15 14x21 18x27 22x33 26x39 32x48 42x63 52x78"),
    template(
      "1.750", 1.75,
      "1x1 2x2 3x3 7x4 11x6 14x8 21x12 28x16 35x20 42x24 56x32 70x40 84x48"),
    template(
      "0.571", 0.571,
      "1x1 2x2 3x3 4x7 6x11 8x14 12x21 16x28 20x35 24x42 32x56 40x70 48x84"),
    template(
      "2.000", 2.0,
      "1x1 2x2 4x2 6x3 10x5 16x8 22x11 30x15 38x19 46x23 60x30 74x37 90x45"),
    template(
      "0.500", 0.5,
      "1x1 2x2 2x4 3x6 5x10 8x16 11x22 15x30 19x38 23x46 30x60 37x74 45x90"),
    template(
      "2.500", 2.5,
      "1x1 2x2 5x2 10x4 15x6 20x8 25x10 30x12 40x16 50x20 65x26 80x32 100x40"),
    template(
      "0.400", 0.4,
      "1x1 2x2 2x5 4x10 6x15 8x20 10x25 12x30 16x40 20x50 26x65 32x80 40x100"),
    template(
      "3.000", 3.0,
      "1x1 2x2 6x2 9x3 15x5 21x7 27x9 36x12 45x15 54x18 72x24 90x30 111x37"),
    template(
      "0.333", 0.333,
      "1x1 2x2 2x6 3x9 5x15 7x21 9x27 12x36 15x45 18x54 24x72 30x90 37x111"),
  ]

  private static func template(
    _ name: String, _ heightOverWidth: Double, _ grids: String
  ) -> AspectTemplate {
    let sizes = grids.split(separator: " ").map { grid in
      let sides = grid.split(separator: "x").map { Int($0)! }
      return GridSize(height: sides[0], width: sides[1])
    }
    return AspectTemplate(name: name, heightOverWidth: heightOverWidth, grids: sizes)
  }
}
