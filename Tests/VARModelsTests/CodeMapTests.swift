import CVARKernels
import Testing
import VARKernels
import VARModels
import VARTestSupport

/// Tables of the generator against the reference.
@Suite struct CodeMapTests {
  static func golden() throws -> SafetensorsFile {
    try SafetensorsFile(fixture: "golden/units.safetensors")
  }

  private static func grid(_ shape: [Int]) -> GridSize {
    GridSize(height: shape[shape.count - 2], width: shape[shape.count - 1])
  }

  /// `[1, channels, 1, height, width]` to `[height, width, channels]`.
  private static func channelsLast(_ values: [Float], channels: Int) -> [Float] {
    let pixels = values.count / channels
    return (0..<values.count).map { values[$0 % channels * pixels + $0 / channels] }
  }

  @Test(arguments: ["1.0.1", "1.0.3", "1.0.5", "1.5.1", "1.5.3", "1.5.5"])
  func resamplingMatchesTheReference(id: String) throws {
    let golden = try Self.golden()
    let channels = 4
    let source = Self.channelsLast(try golden.floats("interp.\(id).src"), channels: channels)
    let sourceGrid = Self.grid(try golden.shape("interp.\(id).src"))
    let finalGrid = Self.grid(try golden.shape("interp.\(id).up_to_final"))
    let nextGrid = Self.grid(try golden.shape("interp.\(id).down_next"))
    let final = resampled(source, from: sourceGrid, to: finalGrid, CodeMap.bilinear)
    try expect(final, "interp.\(id).up_to_final")
    try expect(
      resampled(final, from: finalGrid, to: nextGrid, CodeMap.bilinear), "interp.\(id).down_next")
    try expect(
      resampled(final, from: finalGrid, to: nextGrid, CodeMap.area), "interp.\(id).area_next")

    func resampled(
      _ map: [Float], from: GridSize, to: GridSize,
      _ resample: (Rows, GridSize, GridSize, Rows) -> Void
    ) -> [Float] {
      var result = [Float](repeating: 0, count: to.tokenCount * channels)
      map.withRows(columns: channels) { map in
        result.withMutableRows(columns: channels) { resample(map, from, to, $0) }
      }
      return result
    }

    func expect(_ actual: [Float], _ name: String) throws {
      let expected = Self.channelsLast(try golden.floats(name), channels: channels)
      let difference = largestDifference(actual, expected)
      #expect(difference.value <= 1e-5, "\(name): \(difference)")
    }
  }

  @Test(arguments: [1.0, 1.5])
  func rotaryPositionsMatchTheReference(aspect: Double) throws {
    let golden = try Self.golden()
    let template = AspectTemplate.nearest(heightOverWidth: aspect)
    let schedule = template.schedule(scaleCount: 10)
    for (index, scale) in schedule.scales.enumerated() {
      let expected = try golden.integers("rope_idx.\(aspect).\(index)")
      let reference = schedule.ropeReference
      var actual: [Int] = []
      for y in 0..<scale.height {
        for x in 0..<scale.width {
          actual += [
            RotaryGrid.position(y, of: scale.height, reference: reference.height),
            RotaryGrid.position(x, of: scale.width, reference: reference.width),
          ]
        }
      }
      #expect(actual == expected, "scale \(index)")
    }
  }

  /// Cosines and sines of `[Y * f, X * f]` over the first six scales, one after the other.
  @Test(arguments: [1.0, 1.5])
  func rotaryAnglesMatchTheReference(aspect: Double) throws {
    let golden = try Self.golden()
    let expected = try golden.floats("rope_cos_sin.\(aspect)")
    let schedule = AspectTemplate.nearest(heightOverWidth: aspect).schedule(scaleCount: 6)
    let full = AspectTemplate.nearest(heightOverWidth: aspect).schedule(scaleCount: 13)
    let frequencies = (0..<32).map { Float(cvar_pow(10_000, -2 * Double($0) / 64)) }
    var cosines: [Float] = []
    var sines: [Float] = []
    for scale in schedule.scales {
      for y in 0..<scale.height {
        for x in 0..<scale.width {
          for (index, size, reference) in [
            (y, scale.height, full.finalGrid.height), (x, scale.width, full.finalGrid.width),
          ] {
            let position = RotaryGrid.position(index, of: size, reference: reference)
            cosines += frequencies.map { cvar_cos(Float(position) * $0) }
            sines += frequencies.map { cvar_sin(Float(position) * $0) }
          }
        }
      }
    }
    let difference = largestDifference(cosines + sines, expected)
    #expect(difference.value <= 1e-5, "\(difference)")
  }
}
