import VARVision

extension Scene {
  /// Samples along each side of a pixel.
  private static let samples = 4

  /// The scene as a picture of equal sides.
  func picture(side: Int) -> RGBImage {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(side * side * 3)
    let step = 1 / Float(side * Self.samples)
    let bodies = objects.map(Body.init)
    for y in 0..<side {
      let ground = background.color(at: (Float(y) + 0.5) / Float(side))
      let empty = Self.pixel { _, _ in ground }
      for x in 0..<side {
        let centre = (SIMD2(Float(x), Float(y)) + 0.5) / Float(side)
        let near = bodies.filter { $0.mayCover(centre, within: 1 / Float(side)) }
        if near.isEmpty {
          pixels += empty
          continue
        }
        pixels += Self.pixel { row, column in
          let point = SIMD2(
            (Float(x * Self.samples + column) + 0.5) * step,
            (Float(y * Self.samples + row) + 0.5) * step)
          return near.first { $0.covers(point) }?.color ?? ground
        }
      }
    }
    return RGBImage(width: side, height: side, pixels: pixels)
  }

  /// The mean of a pixel's samples.
  private static func pixel(_ color: (_ row: Int, _ column: Int) -> SIMD3<Float>) -> [UInt8] {
    var sum = SIMD3<Float>.zero
    for row in 0..<samples {
      for column in 0..<samples { sum += color(row, column) }
    }
    let mean = sum / Float(samples * samples)
    return (0..<3).map { UInt8(mean[$0].rounded()) }
  }

  /// An object in its place; places are within 0..<1.
  private struct Body {
    let shape: Shape
    let color: SIMD3<Float>
    let centre: SIMD2<Float>
    let radius: Float

    init(_ object: Object) {
      (shape, color) = (object.shape, object.color.rgb)
      centre = SIMD2(
        (Float(object.cell % 3) * 2 + 1) / 6, (Float(object.cell / 3) * 2 + 1) / 6)
      // In 96ths of the side.
      radius = object.size == .big ? 14 / 96 : 9 / 96
    }

    func covers(_ point: SIMD2<Float>) -> Bool { shape.contains((point - centre) / radius) }

    /// False where the shape is further away than a distance.
    func mayCover(_ point: SIMD2<Float>, within distance: Float) -> Bool {
      let reach = Shape.reach * radius + distance
      return abs(point.x - centre.x) <= reach && abs(point.y - centre.y) <= reach
    }
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

  /// How far a shape of radius 1 goes from 0.
  fileprivate static let reach: Float = 1.05

  /// The right half of a star of five points, the first up: points and notches in turn, from the top down.
  private static let corners: [SIMD2<Float>] = {
    let (outer, inner) = (reach, Float(0.45))
    // Sines and cosines of multiples of 36 degrees.
    let turns: [(sine: Float, cosine: Float)] = [
      (0, 1), (0.58778525, 0.80901699), (0.95105652, 0.30901699), (0.95105652, -0.30901699),
      (0.58778525, -0.80901699), (0, -1),
    ]
    return turns.enumerated().map { index, turn in
      let radius = index % 2 == 0 ? outer : inner
      return SIMD2(radius * turn.sine, -radius * turn.cosine)
    }
  }()

  /// - Parameter point: mirrored into the right half.
  private static func starContains(_ point: SIMD2<Float>) -> Bool {
    var isInside = false
    for (index, first) in corners.enumerated() {
      let second = corners[index + 1 < corners.count ? index + 1 : 0]
      guard (first.y > point.y) != (second.y > point.y) else { continue }
      let x = first.x + (point.y - first.y) * (second.x - first.x) / (second.y - first.y)
      if point.x < x { isInside.toggle() }
    }
    return isInside
  }
}
