extension VQ4Writer {
  /// Calls `body` with a path under which the file can be opened as it would be now, and goes on where it was. It has
  /// not its name yet, and what `body` opens must be closed when it returns.
  package func withUnpublished<Result>(
    _ body: (_ path: String) throws -> Result
  ) throws -> Result {
    precondition(openTensor == nil, "a tensor is still open")
    endGroup()
    let end = end
    do throws(VQ4Error) {
      let superblock = try writeContent()
      try output.write(superblock.encoded(), at: superblock.fileBytes - VQ4Limits.superblockBytes)
      try output.write(superblock.encoded(), at: 0)
    } catch {
      throw fail(error)
    }
    defer {
      directory.attachments = []
      self.end = end
      // A file that is not finished has no superblock.
      try? output.write([UInt8](repeating: 0, count: VQ4Limits.superblockBytes), at: 0)
      try? output.truncate(to: end)
    }
    return try body(output.currentPath)
  }
}
