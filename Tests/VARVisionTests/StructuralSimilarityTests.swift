import Testing
import VARVision

@Suite struct StructuralSimilarityTests {
  private func picture(
    _ width: Int, _ height: Int, _ value: (_ x: Int, _ y: Int) -> Int
  ) -> RGBImage {
    RGBImage(
      width: width, height: height,
      pixels: (0..<height).flatMap { y in
        (0..<width).flatMap { x in [UInt8](repeating: UInt8(value(x, y)), count: 3) }
      })
  }

  @Test(arguments: [(1, 1), (3, 20), (8, 8), (24, 17)])
  func equalPicturesAreOne(width: Int, height: Int) {
    let image = picture(width, height) { ($0 * 31 + $1 * 17) % 256 }
    #expect(abs(structuralSimilarity(image, image) - 1) < 1e-9)
  }

  /// Plain pictures differ in their means alone: `(2ab + c) / (a² + b² + c)`.
  @Test func plainPicturesDifferByTheirMeans() {
    let (a, b) = (picture(10, 9) { _, _ in 100 }, picture(10, 9) { _, _ in 140 })
    let c = 0.01 * 255 * 0.01 * 255
    let expected = (2 * 100 * 140 + c) / (100 * 100 + 140 * 140 + c)
    #expect(abs(structuralSimilarity(a, b) - expected) < 1e-6)
  }

  /// One window of 8 x 8 by the definition, sums written out.
  @Test func aWindowIsThatOfTheDefinition() {
    let (a, b) = (
      picture(8, 8) { ($0 * 29 + $1 * 53) % 256 }, picture(8, 8) { ($0 * 31 + $1 * 47 + 9) % 256 }
    )
    let (x, y) = (
      a.pixels.enumerated().filter { $0.offset % 3 == 0 }.map { Double($0.element) },
      b.pixels.enumerated().filter { $0.offset % 3 == 0 }.map { Double($0.element) }
    )
    let (mx, my) = (x.reduce(0, +) / 64, y.reduce(0, +) / 64)
    let vx = x.reduce(0) { $0 + ($1 - mx) * ($1 - mx) } / 64
    let vy = y.reduce(0) { $0 + ($1 - my) * ($1 - my) } / 64
    let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - mx) * ($1.1 - my) } / 64
    let (c1, c2) = (6.5025, 58.5225)
    let expected =
      (2 * mx * my + c1) * (2 * covariance + c2)
      / ((mx * mx + my * my + c1) * (vx + vy + c2))
    #expect(abs(structuralSimilarity(a, b) - expected) < 1e-9)
  }
}
