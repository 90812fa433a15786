import VARConversion
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Whether a model holds a weight as its checkpoint has it. The model does not say what type that was.
///
/// f32 holds all types of checkpoints. f16 holds those of bf16, whose values tell that they come from it: they have
/// eight significant bits, and a value of f16 or f32 has so few by chance once in eight times.
enum CheckpointWeights {
  /// - Throws: `VARLiteError` where the checkpoint may have other values.
  static func require(_ tensor: Int, of model: Model) throws {
    let description = model.file.tensors[tensor].description
    let precision = Precision(description.elementType)
    func fail(_ problem: String) -> VARLiteError {
      VARLiteError(
        .model,
        "\(model.path): holds \(description.name) in \(precision.rawValue), \(problem); convert the "
          + "generator in f32, or in f16 if the checkpoint has bf16")
    }
    switch precision {
    case .f32: return
    case .int4, .int8: throw fail("and what is rounded must be the checkpoint's")
    case .bf16: throw fail("and the checkpoint may have had more bits")
    case .f16:
      guard try firstRows(tensor, model.file).allSatisfy({ $0.bitPattern & 0xFFFF == 0 }) else {
        throw fail("and the checkpoint had more bits than bf16")
      }
    }
  }

  /// The values of the first 16 rows.
  private static func firstRows(_ tensor: Int, _ file: VQ4File) throws -> [Float] {
    let format = WeightFormat(file.tensors[tensor].description)
    let rowCount = min(WeightFormat.unitRowCount, format.rows)
    var codes = [UInt8](repeating: 0, count: file.chunkRange(tensor, .codes, 0).count)
    var values = [Float](repeating: 0, count: rowCount * format.cols)
    try codes.withUnsafeMutableBytes { codes in
      try file.decodeChunk(tensor, .codes, 0, into: codes)
      values.withUnsafeMutableBufferPointer {
        WeightDecoder(format: format).decode(
          codes: codes.baseAddress!, scales: nil, superscales: nil, rowCount: rowCount,
          into: $0.baseAddress!)
      }
    }
    return values
  }
}
