import VARSystem

/// Where a file is written, and what may not be lost by it.
package struct VQ4Output: Sendable {
  package let path: String
  /// Whether a model that stands there is replaced.
  package var overwrite: Bool
  /// Whether what a stopped writer left in `<path>.partial` is kept, for `VQ4Writer.restoreTensor`.
  package var isResuming: Bool
  /// The files that are read for it: neither it nor its partial file may be one of them.
  package var inputs: Set<FileStatus.Identity>

  package init(
    _ path: String, overwrite: Bool = false, isResuming: Bool = false,
    inputs: Set<FileStatus.Identity> = []
  ) {
    self.path = path
    self.overwrite = overwrite
    self.isResuming = isResuming
    self.inputs = inputs
  }
}

/// A file that appears under its name only when it is complete.
///
/// The bytes go to `<path>.partial`, which is locked against a second writer, removed on failure unless it is to be
/// continued, and renamed when it is safely on the disk. A file that is mounted by itself cannot be renamed over: the
/// complete bytes are copied into it. In a folder that takes no new file they go into an existing one from the start.
final class OutputFile {
  let path: String
  private let partialPath: String
  private let overwrite: Bool
  /// nil once the file is published or given up.
  private var file: OpenFile?
  /// Whether what is written goes to the disk at once and need not stay in the system's memory, so that a long run does
  /// not push everything else out of it.
  var dropsCache = false
  /// Whether giving up leaves the partial file for a later run.
  var keepsPartial = false
  /// Whether the bytes go into the file itself: then a stop leaves nothing to go on with.
  let isInPlace: Bool
  /// Whether the former content of a file that is written in place is gone.
  private var isEmptied = false
  /// Whether the partial file holds all that the file will.
  private var isComplete = false
  /// Whether the complete file has its name.
  private(set) var isPublished = false
  /// Where the bytes are until the file is published.
  var currentPath: String { isInPlace ? path : partialPath }
  private var droppedEnd = 0
  private static let droppedByteCount = 8 << 20

  init(_ output: VQ4Output) throws(VQ4Error) {
    path = output.path
    overwrite = output.overwrite
    let path = path
    let partialPath = path + ".partial"
    self.partialPath = partialPath
    if let identity = FileStatus(path)?.identity, output.inputs.contains(identity) {
      throw VQ4Error(.sameFile, "is a file that this run reads", remedy: .chooseOtherOutput)
        .inFile(path)
    }
    try Self.refuseExistingOutput(path, overwrite: overwrite)
    do throws(SystemError) {
      file = try OpenFile(partialPath, .creating)
      isInPlace = false
    } catch {
      if error.isLink { throw Self.refusal(partialPath, .notRegular) }
      guard error.isFolderClosed, !FileTree.exists(partialPath), FileTree.exists(path),
        let existing = try? OpenFile(path, .updating)
      else { throw Self.failure(path, error) }
      file = existing
      isInPlace = true
    }
    try lock(isResuming: output.isResuming, sparing: output.inputs)
  }

  deinit { abandon() }

  /// Takes over the partial file; one that an earlier, broken run left behind is emptied unless it is continued, and
  /// any other is refused. A file that is written in place keeps its content until the first write.
  private func lock(
    isResuming: Bool, sparing inputs: Set<FileStatus.Identity>
  ) throws(VQ4Error) {
    guard let file else { return }
    let named = isInPlace ? FileStatus(path) : FileStatus(partialPath, followsLinks: false)
    guard file.lock(), let named, let opened = try? file.status(),
      opened.identity == named.identity
    else {
      // The name may by now belong to another writer: leave it.
      self.file = nil
      throw VQ4Error(
        .outputBusy, "another program is writing this file", remedy: .chooseOtherOutput
      ).inFile(isInPlace ? path : partialPath)
    }
    guard !isInPlace else { return }
    do throws(HelperFile.Refusal) {
      try HelperFile.check(file, sparing: inputs, isOurs: Self.isModelOrUnfinished)
    } catch {
      self.file = nil
      throw Self.refusal(partialPath, error)
    }
    try attempt("cannot be emptied") { () throws(SystemError) in
      if !isResuming { try file.truncate(to: 0) }
    }
  }

  private static func refusal(_ path: String, _ reason: HelperFile.Refusal) -> VQ4Error {
    VQ4Error(
      reason == .input ? .sameFile : .outputExists, reason.problem, remedy: .clearPlace
    ).inFile(path)
  }

  /// Whether a file that begins so is a model, or what a stopped or killed writer left of one.
  private static func isModelOrUnfinished(_ start: [UInt8]) -> Bool {
    start.starts(with: Format.magic) || start.allSatisfy { $0 == 0 }
  }

  /// Bytes of the partial file.
  var byteCount: Int {
    guard !isInPlace || isEmptied else { return 0 }
    return (try? file?.status())?.byteCount ?? 0
  }

  /// Bytes of the disk that the partial file takes, or that the former content leaves to it.
  var allocatedByteCount: Int { (try? file?.status())?.allocatedByteCount ?? 0 }

  private static func refuseExistingOutput(_ path: String, overwrite: Bool) throws(VQ4Error) {
    guard FileStatus(path, followsLinks: false) != nil else { return }
    let status = FileStatus(path)
    let isFile = status?.kind == .regular
    // An empty file holds a place, as one that a container mounts.
    if isFile, status?.byteCount == 0 { return }
    guard !isFile || overwrite else {
      throw VQ4Error(.outputExists, "the file exists", remedy: .chooseOutput).inFile(path)
    }
    guard isFile, try isModel(path) else {
      throw VQ4Error(
        .outputExists, "something else than a .vq4 file has this name", remedy: .chooseOtherOutput
      ).inFile(path)
    }
  }

  /// Whether nothing but a model is lost when the file of this name is replaced. One whose writer was killed begins
  /// with zeros.
  private static func isModel(_ path: String) throws(VQ4Error) -> Bool {
    let file: OpenFile
    do throws(SystemError) {
      file = try OpenFile(path, .reading)
    } catch {
      guard error.isShortOfFiles else { return false }
      throw VQ4Error(.writeFailed, "cannot be looked at: \(error.message)", remedy: .allowFiles)
        .caused(by: error.code).inFile(path)
    }
    let start = (try? file.bytes(at: 0, count: VQ4Limits.superblockBytes)) ?? []
    return start.starts(with: Format.magic)
      || start.count == VQ4Limits.superblockBytes && start.allSatisfy { $0 == 0 }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VQ4Error) {
    if isInPlace, !isEmptied {
      isEmptied = true
      try truncate(to: 0)
    }
    try attempt { () throws(SystemError) in try file?.write(bytes, at: offset) }
    writeBehind(offset + bytes.count)
  }

  /// Starts to write what lies before `end` to the disk, and gives up the memory of what has arrived there.
  private func writeBehind(_ end: Int) {
    guard dropsCache, end - droppedEnd >= Self.droppedByteCount else { return }
    // The first call starts the writing, a later one finds the pages clean and drops them.
    let start = max(0, droppedEnd - 8 * Self.droppedByteCount)
    file?.forget(start..<end)
    droppedEnd = end
  }

  func write(_ bytes: [UInt8], at offset: Int) throws(VQ4Error) {
    let buffer = try AlignedBuffer(count: bytes.count)
    buffer.prefix(bytes.count).copyBytes(from: bytes)
    try write(UnsafeRawBufferPointer(buffer.prefix(bytes.count)), at: offset)
  }

  func read(into output: UnsafeMutableRawBufferPointer, at offset: Int) throws(VQ4Error) {
    try attempt("cannot be read back") { () throws(SystemError) in
      try file?.read(into: output, at: offset)
    }
  }

  func truncate(to count: Int) throws(VQ4Error) {
    guard !isInPlace || isEmptied else { return }
    try attempt { () throws(SystemError) in try file?.truncate(to: count) }
  }

  /// The bytes and the size, but not the times.
  func synchronizeData() throws(VQ4Error) {
    try attempt { () throws(SystemError) in try file?.flushData() }
  }

  func synchronize() throws(VQ4Error) {
    try attempt { () throws(SystemError) in try file?.flush() }
  }

  /// Gives the complete file its name.
  func publish() throws(VQ4Error) {
    try synchronize()
    if !isInPlace {
      isComplete = true
      do throws(VQ4Error) {
        try Self.refuseExistingOutput(path, overwrite: overwrite)
      } catch {
        throw VQ4Error(
          error.code, error.problem + kept,
          remedy: VQ4Error.Remedy(rawValue: error.remedy) ?? .chooseOutput
        ).caused(by: error.systemError).inFile(path)
      }
      do throws(SystemError) {
        try FileTree.rename(partialPath, to: path)
      } catch {
        try fill(instead: error)
      }
    }
    file = nil
    isPublished = true
    guard !isInPlace else { return }
    do throws(SystemError) {
      try FileTree.flushFolder(of: path)
    } catch {
      throw VQ4Error(
        .writeFailed,
        "is complete, but its folder cannot be flushed to the disk: \(error.message)",
        remedy: .checkDisk
      ).caused(by: error.code).inFile(path)
    }
  }

  /// Copies the complete bytes into the file, which cannot be replaced: it is mounted by itself, or belongs to another
  /// user in a folder like /tmp.
  ///
  /// - Parameter reason: why it could not be renamed.
  private func fill(instead reason: SystemError) throws(VQ4Error) {
    guard reason.cannotReplace, let target = try? OpenFile(path, .overwriting) else {
      throw failure(reason)
    }
    let count = byteCount
    let former = (try? target.status())?.allocatedByteCount ?? 0
    if let free = FreeSpace.byteCount(on: path), free + former < count {
      throw failure(
        SystemError(.rename(), SystemError.noSpace), "cannot be renamed, and a copy does not fit")
    }
    try attempt("cannot be emptied") { () throws(SystemError) in try target.truncate(to: 0) }
    do throws(VQ4Error) {
      try copy(count, to: target)
    } catch {
      // An empty file holds the place for the next attempt.
      try? target.truncate(to: 0)
      throw error
    }
    FileTree.remove(partialPath)
  }

  /// The beginning last: until then nobody takes the file for a finished one.
  private func copy(_ count: Int, to target: OpenFile) throws(VQ4Error) {
    let partBytes = 1 << 20
    let buffer = try AlignedBuffer(count: partBytes)
    for offset in stride(from: 0, to: count, by: partBytes).reversed() {
      let part = buffer.prefix(min(partBytes, count - offset))
      try read(into: part, at: offset)
      try attempt { () throws(SystemError) in
        try target.write(UnsafeRawBufferPointer(part), at: offset)
      }
    }
    try attempt { () throws(SystemError) in try target.flush() }
  }

  /// Lets go of the partial file and removes it, unless it is complete or a later run is to continue it; without effect
  /// once the file is published. Of a file that was written in place nothing is left.
  func abandon() {
    guard let file else { return }
    if isEmptied { try? file.truncate(to: 0) }
    if !keepsPartial, !isComplete, !isInPlace { FileTree.remove(partialPath) }
    self.file = nil
  }

  /// Where the work is, if it is done.
  private var kept: String { isComplete ? "; the complete file is \(partialPath)" : "" }

  /// - Parameter problem: what cannot be done, where that says more than the call that failed.
  private func attempt(
    _ problem: String? = nil, _ body: () throws(SystemError) -> Void
  ) throws(VQ4Error) {
    do throws(SystemError) {
      try body()
    } catch {
      throw failure(error, problem)
    }
  }

  private func failure(_ error: SystemError, _ problem: String? = nil) -> VQ4Error {
    Self.failure(path, error, problem, kept)
  }

  private static func failure(
    _ path: String, _ error: SystemError, _ problem: String? = nil, _ kept: String = ""
  ) -> VQ4Error {
    let text = problem.map { "\($0): \(error.message)" } ?? "\(error)"
    return VQ4Error(
      .writeFailed, text + kept, remedy: error.isShortOfFiles ? .allowFiles : .freeSpace
    ).caused(by: error.code).inFile(path)
  }
}
