import VARTestSupport
import VQ4Format

/// Copies of a model that were changed by somebody who knows the format: every hash is right again.
enum RewrittenModel {
  /// - Parameters:
  ///   - streams: changes a tensor's decoded stream.
  ///   - attachments: changes an attachment; nil leaves it out.
  static func write(
    _ model: String, to output: String,
    streams: (_ tensor: String, _ role: VQ4StreamRole, _ bytes: inout [UInt8]) throws -> Void = {
      _, _, _ in
    }, attachments: (_ name: String, _ bytes: [UInt8]) -> [UInt8]? = { $1 }
  ) throws {
    let file = try VQ4File(path: model)
    let writer = try VQ4Writer(path: output, layout: .map, overwrite: true)
    for attachment in file.attachments {
      guard let bytes = attachments(attachment.name, try file.attachment(attachment.name) ?? [])
      else { continue }
      try writer.addAttachment(attachment.name, bytes, inPlace: attachment.codec == .raw)
    }
    for group in file.groups {
      try writer.beginGroup(group.name)
      for index in group.tensors {
        let description = file.tensors[index].description
        try writer.beginTensor(description)
        for role in VQ4StreamRole.allCases where description.byteCount(of: role) > 0 {
          var bytes = try stream(index, role, of: file)
          try streams(description.name, role, &bytes)
          try bytes.withUnsafeBytes { try writer.append(role, $0) }
        }
        try writer.endTensor()
      }
    }
    _ = try writer.finish()
  }

  /// A decoded stream.
  static func stream(_ tensor: Int, _ role: VQ4StreamRole, of file: VQ4File) throws -> [UInt8] {
    var bytes = [UInt8](
      repeating: 0, count: file.tensors[tensor].description.byteCount(of: role))
    try bytes.withUnsafeMutableBytes { try file.decodeStream(tensor, role, into: $0) }
    return bytes
  }
}
