import VARQuantization
import VQ4Format

/// The values of a float tensor of a file, row-major in its logical shape.
func values(of index: Int, in file: VQ4File) throws -> [Float] {
  let description = file.tensors[index].description
  precondition(description.elementType == .f32, "only f32 is compared by value")
  var bytes = [UInt8](repeating: 0, count: description.byteCount(of: .codes))
  try bytes.withUnsafeMutableBytes { try file.decodeStream(index, .codes, into: $0) }
  let stored = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  guard description.layout == .tiles else { return stored }
  let (rows, cols) = (description.rows, description.cols)
  return (0..<rows * cols).map { element in
    let (row, col) = (element / cols, element % cols)
    return stored[(row / 16 * cols + col) * 16 + row % 16]
  }
}
