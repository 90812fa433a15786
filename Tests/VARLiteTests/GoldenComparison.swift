import Testing
import VARLite
import VARTestSupport

/// Tolerance of a tensor: `|actual - expected| <= absolute + relative * |expected|`.
struct Tolerance {
  let absolute: Float
  let relative: Float

  /// Hidden states and logits in fp32 (MODEL 17).
  static let hidden = Tolerance(absolute: 2e-4, relative: 2e-3)
  /// Guidance multiplies errors.
  static let guidedLogits = Tolerance(absolute: 5e-3, relative: 2e-3)
  static let pixels = Tolerance(absolute: 1e-3, relative: 0)
}

/// Holds what a run recorded against a golden file.
struct GoldenComparison {
  let golden: SafetensorsFile
  let recorder: TraceRecorder

  private func recorded(_ name: String) throws -> (shape: [Int], bytes: [UInt8]) {
    let tensor = try #require(recorder.tensor(name), "\(name) was not recorded")
    return (tensor.shape, tensor.bytes)
  }

  func floats(_ name: String) throws -> [Float] {
    try recorded(name).bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  func integers(_ name: String) throws -> [Int] {
    try recorded(name).bytes.withUnsafeBytes { bytes in
      bytes.bindMemory(to: Int64.self).map { Int($0) }
    }
  }

  /// Shapes may differ by axes of length 1.
  private func expectShape(_ name: String, _ shape: [Int]) throws {
    let expected = try golden.shape(name)
    #expect(shape.filter { $0 != 1 } == expected.filter { $0 != 1 }, "shape of \(name)")
  }

  func expectClose(_ name: String, _ tolerance: Tolerance, as recordedName: String? = nil) throws {
    let recordedName = recordedName ?? name
    try expectShape(name, recorded(recordedName).shape)
    expectClose(try floats(recordedName), try golden.floats(name), tolerance, name)
  }

  func expectClose(
    _ actual: [Float], _ expected: [Float], _ tolerance: Tolerance, _ name: String
  ) {
    guard actual.count == expected.count else {
      Issue.record("\(name): \(actual.count) values, expected \(expected.count)")
      return
    }
    var worst = (index: 0, excess: -Float.infinity)
    for index in actual.indices {
      let allowed = tolerance.absolute + tolerance.relative * abs(expected[index])
      let excess = abs(actual[index] - expected[index]) - allowed
      if !(excess <= worst.excess) { worst = (index, excess) }
    }
    #expect(
      worst.excess <= 0,
      "\(name)[\(worst.index)]: \(actual[worst.index]), expected \(expected[worst.index])")
  }

  func expectEqual(_ name: String) throws {
    #expect(try integers(name) == golden.integers(name), "\(name)")
  }

  /// Over the common prefix: the reference picks one token more after the start of a picture.
  func expectPrefix(_ name: String) throws {
    let (actual, expected) = (try integers(name), try golden.integers(name))
    let count = min(actual.count, expected.count)
    #expect(count > 0)
    #expect(actual.prefix(count) == expected.prefix(count), "\(name)")
  }

  /// Bits are exact where the reference's margin exceeds the error that guidance allows.
  func expectBits(scale: Int) throws {
    let actual = try recorded("s\(scale).bits").bytes.map(Int.init)
    let expected = try golden.integers("s\(scale).bits")
    let logits = try golden.floats("s\(scale).logits")
    try #require(actual.count == expected.count && logits.count == 2 * expected.count)
    let wrong = expected.indices.filter { index in
      abs(logits[2 * index + 1] - logits[2 * index]) > 5e-3 && actual[index] != expected[index]
    }
    #expect(wrong.isEmpty, "scale \(scale): \(wrong.count) of \(expected.count) bits differ")
  }

  func expectImage() throws {
    let actual = try recorded("image_u8").bytes
    let expected = try golden.integers("image_u8")
    try #require(actual.count == expected.count)
    let largest = expected.indices.map { abs(Int(actual[$0]) - expected[$0]) }.max() ?? 0
    #expect(largest <= 1, "pixels differ by \(largest) levels")
  }
}
