import CVARKernels
import VARQuantization
import VARTestSupport

/// Values of a layer's input and the matrices that take it, as `Tests/peers/minilm.py` writes them.
struct PreparedInput {
  struct Matrix: Sendable {
    let name: String
    let rows: Int
    let weights: [Float]
  }

  /// The folder that holds them; nil where there is none.
  static let folder = Fixtures.variable("VARLITE_MINILM")

  let name: String
  let cols: Int
  /// Values of the calibration texts, `[token][cols]`.
  let calibration: [Float]
  /// Values of other texts, `[token][cols]`.
  let test: [Float]
  let matrices: [Matrix]

  /// Names of the inputs of a folder.
  static func names(in folder: String) -> [String] {
    TemporaryDirectory.names(of: folder).filter { $0.hasPrefix("inputs.") }
      .map { String($0.split(separator: ".").dropFirst().dropLast().joined(separator: ".")) }
  }

  init(_ name: String, in folder: String) throws {
    let file = try SafetensorsFile(path: "\(folder)/inputs.\(name).safetensors")
    self.name = name
    cols = try file.shape("test")[1]
    calibration = try file.floats("calibration")
    test = try file.floats("test")
    matrices = try file.names.filter { $0 != "calibration" && $0 != "test" }.map {
      Matrix(name: $0, rows: try file.shape($0)[0], weights: try file.floats($0))
    }
  }

  /// Second moments of the calibration inputs about their means, all columns in one block: all layers have a bias.
  func moments() -> SecondMoments {
    let tokenCount = calibration.count / cols
    let unit = WeightFormat.unitRowCount
    // The inputs of a column, as a row of a matrix and as one of 16 in a tile.
    var columns = [Float](repeating: 0, count: calibration.count)
    let tiles = AlignedBytes(count: 4 * calibration.count)
    let tileValues = tiles.base.bindMemory(to: Float.self, capacity: calibration.count)
    for token in 0..<tokenCount {
      for column in 0..<cols {
        let value = calibration[token * cols + column]
        columns[column * tokenCount + token] = value
        tileValues[(column / unit * tokenCount + token) * unit + column % unit] = value
      }
    }
    var triangle = [Float](repeating: 0, count: cols * (cols + 1) / 2)
    var products = [Float](repeating: 0, count: cols * unit)
    for first in stride(from: 0, to: cols, by: unit) {
      let count = cols - first
      var matrix = cvar_matrix()
      matrix.type = Int32(CVAR_F32.rawValue)
      matrix.rows = Int32(unit)
      matrix.cols = Int32(tokenCount)
      matrix.codes = UnsafeRawPointer(tileValues + first * tokenCount)
      columns.withUnsafeBufferPointer { columns in
        cvar_kernels_for(cvar_isa_best())!.pointee.matmul_float(
          &matrix, columns.baseAddress! + first * tokenCount, tokenCount, 1, 0, Int32(count), nil,
          &products, unit, 0, 1)
      }
      for row in first..<cols {
        for column in first..<min(first + unit, row + 1) {
          triangle[row * (row + 1) / 2 + column] =
            products[(row - first) * unit + column - first] / Float(tokenCount)
        }
      }
    }
    return SecondMoments(
      cols: cols, blockCols: cols, tokenCount: tokenCount, triangles: triangle
    ).centred(on: means(tokenCount))
  }

  private func means(_ tokenCount: Int) -> [Float] {
    var sums = [Double](repeating: 0, count: cols)
    for token in 0..<tokenCount {
      for column in 0..<cols { sums[column] += Double(calibration[token * cols + column]) }
    }
    return sums.map { Float($0 / Double(tokenCount)) }
  }
}

/// Bytes where kernels may read them.
final class AlignedBytes {
  let base: UnsafeMutableRawPointer

  init(count: Int) { base = .allocate(byteCount: max(1, count), alignment: 64) }

  convenience init(_ bytes: [UInt8]) {
    self.init(count: bytes.count)
    base.copyMemory(from: bytes, byteCount: bytes.count)
  }

  deinit { base.deallocate() }
}

extension Encoded {
  /// The outputs `[token][rows]` for inputs `x[token][cols]`; integers take activations in int8, as in a model.
  func outputs(_ format: WeightFormat, for x: [Float]) -> [Float] {
    let kernels = cvar_kernels_for(cvar_isa_best())!.pointee
    let streams = [codes, scales, superscales].map { AlignedBytes($0) }
    var matrix = cvar_matrix()
    matrix.type = Int32((format.precision == .int4 ? CVAR_INT4 : CVAR_F32).rawValue)
    (matrix.rows, matrix.cols) = (Int32(format.rows), Int32(format.cols))
    matrix.group_size = Int32(format.groupSize)
    matrix.codes = UnsafeRawPointer(streams[0].base)
    matrix.scales = UnsafeRawPointer(streams[1].base)
    matrix.superscales = UnsafeRawPointer(streams[2].base)
    withUnsafeMutableBytes(of: &matrix.codebook) { codebook in
      for (index, entry) in format.codebook.enumerated() {
        codebook[index] = UInt8(bitPattern: entry)
      }
    }
    let tokenCount = x.count / format.cols
    var y = [Float](repeating: .nan, count: tokenCount * format.rows)
    let tileCount = Int32((format.rows + 15) / 16)
    guard format.precision == .int4 else {
      kernels.matmul_float(
        &matrix, x, format.cols, 1, 0, Int32(tokenCount), nil, &y, format.rows, 0, tileCount)
      return withExtendedLifetime(streams) { y }
    }
    let groupCount = x.count / format.groupSize
    var activations = [Int8](repeating: 0, count: x.count)
    var activationScales = [Float](repeating: 0, count: groupCount)
    var sums = [Int32](repeating: 0, count: groupCount)
    kernels.quantize_activations(
      x, format.cols, Int32(tokenCount), Int32(format.cols), Int32(format.groupSize),
      &activations, &activationScales, &sums)
    kernels.matmul_quantized(
      &matrix, activations, activationScales, sums, Int32(tokenCount), nil, &y, format.rows, 0,
      tileCount)
    return withExtendedLifetime(streams) { y }
  }
}
