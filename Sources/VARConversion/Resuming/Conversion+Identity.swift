import VQ4Format

extension Conversion {
  /// A hash of all that the bytes of the file depend on: another version of the converter has another one too.
  package func identity() throws -> String {
    let metadata = try Metadata(of: self)
    let text = try ConversionIdentity(of: self, attachments: metadata.attachments).text
    let hash = try StreamHasher()
    hash.update(Array(text.utf8))
    return hash.value.description
  }
}
