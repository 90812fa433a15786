import Testing
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

/// Expects the same tensors with the same decoded bytes; attachments may differ.
func expectSameTensors(
  _ found: VQ4File, _ expected: VQ4File, _ location: SourceLocation = #_sourceLocation
) throws {
  #expect(
    found.tensors.map(\.description) == expected.tensors.map(\.description),
    sourceLocation: location)
  guard found.tensors.count == expected.tensors.count else { return }
  for index in expected.tensors.indices {
    for role in VQ4StreamRole.allCases {
      let count = expected.tensors[index].description.byteCount(of: role)
      guard count > 0, found.tensors[index].description.byteCount(of: role) == count else {
        continue
      }
      let streams = try [found, expected].map { file in
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try file.decodeStream(index, role, into: $0) }
        return bytes
      }
      #expect(
        streams[0] == streams[1], "\(expected.tensors[index].description.name)",
        sourceLocation: location)
    }
  }
}

/// Expects equal tensors, and equal attachments but for the provenance and the chat template.
func expectSameContent(
  _ found: VQ4File, _ expected: VQ4File, _ location: SourceLocation = #_sourceLocation
) throws {
  try expectSameTensors(found, expected, location)
  for attachment in expected.attachments.map(\.name)
  where attachment != "provenance" && attachment != "chat_template" {
    #expect(
      try found.attachment(attachment) == expected.attachment(attachment), "\(attachment)",
      sourceLocation: location)
  }
}
