import VARModels
import VQ4Format

extension KeptPrefix {
  /// Tells apart what prefixes hold: of which model, in which type, of which tokens.
  private func key(model: String) -> VQ4Hash {
    let (language, states) = (cache.layout, hasHiddenStates ? 1 : 0)
    var hash = PromptHash()
    hash.add([Model.numericsVersion, language.capacity, byteCount, states])
    hash.add(Array(model.utf8))
    hash.add(Array(kvType.rawValue.utf8))
    hash.add([tokens.hash.high, tokens.hash.low])
    return hash.value
  }

  /// Reads what a file keeps of such a prefix. Where that fails, the prefix is all zeros.
  func read(_ path: String, model: String) -> Bool {
    do throws(VARLiteError) {
      try PromptCacheFile.read(path, key: key(model: model), into: content)
      return true
    } catch {
      content.initializeMemory(as: UInt8.self, repeating: 0)
      return false
    }
  }

  /// Keeps the prefix in a file.
  func write(to path: String, model: String) throws(VARLiteError) {
    try PromptCacheFile.write(UnsafeRawBufferPointer(content), key: key(model: model), to: path)
  }
}
