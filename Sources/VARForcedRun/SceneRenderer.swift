import VARVision

extension Scene {
  /// Samples along each side of a pixel.
  private static let samples = 4

  /// The scene as a picture of equal sides.
  func picture(side: Int) -> RGBImage {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(side * side * 3)
    let step = 1 / Float(side * Self.samples)
    for y in 0..<side {
      let ground = background.color(at: (Float(y) + 0.5) / Float(side))
      for x in 0..<side {
        var sum = SIMD3<Float>.zero
        for sample in 0..<Self.samples * Self.samples {
          let (row, column) = sample.quotientAndRemainder(dividingBy: Self.samples)
          sum += color(
            x: (Float(x * Self.samples + column) + 0.5) * step,
            y: (Float(y * Self.samples + row) + 0.5) * step, ground: ground)
        }
        let mean = sum / Float(Self.samples * Self.samples)
        for channel in 0..<3 { pixels.append(UInt8(mean[channel].rounded())) }
      }
    }
    return RGBImage(width: side, height: side, pixels: pixels)
  }

  /// - Parameters x, y: within 0..<1.
  private func color(x: Float, y: Float, ground: SIMD3<Float>) -> SIMD3<Float> {
    for object in objects {
      let centre = SIMD2(
        (Float(object.cell % 3) * 2 + 1) / 6, (Float(object.cell / 3) * 2 + 1) / 6)
      // In 96ths of the side.
      let radius: Float = object.size == .big ? 14 / 96 : 9 / 96
      if object.shape.contains((SIMD2(x, y) - centre) / radius) { return object.color.rgb }
    }
    return ground
  }
}

extension Scene.Background {
  /// - Parameter y: from 0 at the top to 1.
  fileprivate func color(at y: Float) -> SIMD3<Float> {
    switch fill {
    case .plain: top.rgb
    case .split: y < 0.5 ? top.rgb : bottom.rgb
    case .gradient: top.rgb + (bottom.rgb - top.rgb) * y
    }
  }
}

extension Scene.Shape {
  /// Whether a shape of radius 1 around 0 covers a point; y points down.
  fileprivate func contains(_ point: SIMD2<Float>) -> Bool {
    let (x, y) = (abs(point.x), point.y)
    let distance = (point * point).sum().squareRoot()
    switch self {
    case .circle: return distance <= 1
    case .ring: return distance <= 1 && distance >= 0.52
    case .square: return x <= 0.88 && abs(y) <= 0.88
    case .cross: return x <= 1 && abs(y) <= 1 && min(x, abs(y)) <= 0.36
    case .triangle: return y <= 0.8 && y >= -1 && x <= 0.95 * (y + 1) / 1.8
    case .star: return Self.starContains(SIMD2(x, y))
    }
  }

  /// A star of five points, the first up: within its five edges' inner sides, by the edge of the point's sector.
  private static func starContains(_ point: SIMD2<Float>) -> Bool {
    let (outer, inner): (Float, Float) = (1.05, 0.45)
    var corners: [SIMD2<Float>] = []
    // Sines and cosines of multiples of 36 degrees.
    let turns: [(sine: Float, cosine: Float)] = [
      (0, 1), (0.58778525, 0.80901699), (0.95105652, 0.30901699), (0.95105652, -0.30901699),
      (0.58778525, -0.80901699), (0, -1),
    ]
    for (index, turn) in turns.enumerated() {
      let radius = index % 2 == 0 ? outer : inner
      corners.append(SIMD2(radius * turn.sine, -radius * turn.cosine))
    }
    // The right half is the polygon of the six corners; the point was mirrored into it.
    var isInside = false
    for (first, second) in zip(corners, corners.dropFirst() + [corners[0]]) {
      guard (first.y > point.y) != (second.y > point.y) else { continue }
      let x = first.x + (point.y - first.y) * (second.x - first.x) / (second.y - first.y)
      if point.x < x { isInside.toggle() }
    }
    return isInside
  }
}
