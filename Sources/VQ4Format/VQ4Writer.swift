/// Writes a `.vq4` file tensor by tensor, in the order of execution.
///
/// Codes go to the disk chunk by chunk; scales are kept in memory until their tensor ends. The file
/// appears under its name only in `finish`; before that, and after any failure, there is at most
/// `<path>.partial`. The same calls give the same bytes. Calls out of order are programming errors.
/// `VQ4Writer+Resuming.swift` takes over what a stopped writer had written.
package final class VQ4Writer {
  /// What `finish` says about the file.
  package struct Result: Sendable, Equatable {
    /// Bytes of the file.
    package let fileBytes: Int
    /// See `VQ4File.contentHash`.
    package let contentHash: String
  }

  let output: OutputFile
  let layout: VQ4StorageLayout
  let pageShift: Int
  var directory = VQ4Directory()
  var chunks: [ChunkRecord] = []
  var blobs: [(name: String, bytes: [UInt8], inPlace: Bool)] = []
  /// End of what is written.
  var end: Int
  private var groupNames = Set<String>()
  private var openGroup: (name: String, firstTensor: Int, offset: Int)?
  var openTensor: OpenTensor?

  struct OpenTensor {
    let description: VQ4TensorDescription
    let codes: StreamWriter
    var scales: [VQ4StreamRole: [UInt8]] = [:]
  }

  /// Starts a file; throws `outputExists`, `outputBusy` or `writeFailed`.
  package convenience init(
    path: String, layout: VQ4StorageLayout = .auto, overwrite: Bool = false
  ) throws(VQ4Error) {
    try self.init(
      path: path, layout: layout, overwrite: overwrite,
      pageShift: VQ4Limits.pageShifts.upperBound)
  }

  /// Starts a file with another group alignment, `1 << pageShift` bytes: small samples need no 64
  /// KiB pages.
  package convenience init(
    path: String, layout: VQ4StorageLayout, overwrite: Bool, pageShift: Int
  ) throws(VQ4Error) {
    try self.init(VQ4Output(path, overwrite: overwrite), layout: layout, pageShift: pageShift)
  }

  /// Starts a file; throws `sameFile` besides.
  package init(
    _ output: VQ4Output, layout: VQ4StorageLayout,
    pageShift: Int = VQ4Limits.pageShifts.upperBound
  ) throws(VQ4Error) {
    precondition(VQ4Limits.pageShifts.contains(pageShift), "the group alignment is out of range")
    self.output = try OutputFile(output)
    self.layout = layout
    self.pageShift = pageShift
    end = 1 << pageShift
  }

  deinit { output.abandon() }

  /// Adds a named blob, in any order and at any time outside a tensor; kept in memory until
  /// `finish`.
  /// - Parameter inPlace: stored raw, for use from the mapping; else compressed where that gains.
  package func addAttachment(
    _ name: String, _ bytes: [UInt8], inPlace: Bool = false
  ) throws(VQ4Error) {
    try check(name, of: "attachment")
    guard !blobs.contains(where: { $0.name == name }) else {
      throw fail(
        VQ4Error(.duplicateName, "the name stands twice", remedy: .checkInput)
          .at("attachment \"\(name)\""))
    }
    guard bytes.count <= VQ4Limits.maximumAttachmentBytes,
      blobs.count < VQ4Limits.maximumAttachments
    else {
      throw fail(
        VQ4Error(
          .attachmentSize, "too large, or one attachment too many",
          expected: "at most \(VQ4Error.bytes(VQ4Limits.maximumAttachmentBytes))",
          found: VQ4Error.bytes(bytes.count), remedy: .checkInput
        ).at("attachment \"\(name)\""))
    }
    blobs.append((name, bytes, inPlace))
  }

  /// Starts the next group and ends the one before. A group needs at least one tensor.
  package func beginGroup(_ name: String) throws(VQ4Error) {
    precondition(openTensor == nil, "a group cannot begin inside a tensor")
    endGroup()
    try check(name, of: "group")
    guard groupNames.insert(name).inserted, directory.groups.count < VQ4Limits.maximumGroups else {
      throw fail(
        VQ4Error(
          .duplicateName, "the name stands twice, or one group too many", remedy: .checkInput
        ).at("group \"\(name)\""))
    }
    end = Format.aligned(end, to: 1 << pageShift)
    openGroup = (name, directory.tensors.count, end)
  }

  func endGroup() {
    guard let group = openGroup else { return }
    precondition(directory.tensors.count > group.firstTensor, "a group without tensors")
    directory.groups.append(
      VQ4Group(
        name: group.name, tensors: group.firstTensor..<directory.tensors.count,
        fileRange: group.offset..<end))
    openGroup = nil
  }

  /// Starts a tensor of the open group; throws where the description breaks a rule of the format.
  package func beginTensor(_ description: VQ4TensorDescription) throws(VQ4Error) {
    try register(description)
    openTensor = OpenTensor(
      description: description, codes: try streamWriter(description, .codes))
  }

  /// Checks a tensor that comes next and takes its name.
  func register(_ description: VQ4TensorDescription) throws(VQ4Error) {
    precondition(openGroup != nil && openTensor == nil, "a tensor begins inside a group")
    do {
      try description.validate()
    } catch {
      throw fail(error)
    }
    guard
      directory.tensorIndices.updateValue(
        directory.tensors.count, forKey: description.name) == nil,
      directory.tensors.count < VQ4Limits.maximumTensors
    else {
      throw fail(
        VQ4Error(
          .duplicateName, "the name stands twice, or one tensor too many", remedy: .checkInput
        ).at("tensor \"\(description.name)\""))
    }
  }

  /// Appends decoded bytes to a stream of the open tensor, in the order of the stream; streams may
  /// interleave.
  package func append(
    _ role: VQ4StreamRole, _ bytes: UnsafeRawBufferPointer
  ) throws(VQ4Error) {
    guard let tensor = openTensor else { preconditionFailure("bytes outside a tensor") }
    do throws(VQ4Error) {
      if role == .codes {
        try tensor.codes.append(bytes)
      } else {
        let count = openTensor?.scales[role, default: []].count ?? 0
        guard bytes.count <= tensor.description.byteCount(of: role) - count else {
          throw VQ4Error(
            .streamOverrun, "more bytes than the stream has",
            expected: VQ4Error.bytes(tensor.description.byteCount(of: role)),
            remedy: .checkInput)
        }
        if count == 0 {
          try VQ4Error.requireMemory(tensor.description.byteCount(of: role))
          openTensor?.scales[role, default: []]
            .reserveCapacity(tensor.description.byteCount(of: role))
        }
        openTensor?.scales[role, default: []].append(contentsOf: bytes)
      }
    } catch {
      throw fail(error.at("tensor \"\(tensor.description.name)\", \(role)"))
    }
  }

  /// Ends the open tensor; throws `streamIncomplete` where a stream lacks bytes.
  package func endTensor() throws(VQ4Error) {
    guard let tensor = openTensor else { preconditionFailure("no tensor is open") }
    let description = tensor.description
    var streams: [VQ4Tensor.Stream] = []
    for role in VQ4StreamRole.allCases {
      guard description.byteCount(of: role) > 0 else {
        streams.append(VQ4Tensor.Stream(chunks: 0..<0, hash: .zero, isRaw: true))
        continue
      }
      do {
        var writer = tensor.codes
        if role != .codes {
          writer = try streamWriter(description, role)
          try writer.append(tensor.scales[role] ?? [])
        }
        streams.append(try close(writer))
      } catch {
        throw fail(error.at("tensor \"\(description.name)\", \(role)"))
      }
    }
    directory.tensors.append(
      VQ4Tensor(
        description: description, group: directory.groups.count, streams: streams))
    openTensor = nil
  }

  func streamWriter(
    _ description: VQ4TensorDescription, _ role: VQ4StreamRole
  ) throws(VQ4Error) -> StreamWriter {
    try StreamWriter(
      output, description, role, at: Format.aligned(end, to: VQ4Limits.streamAlignment),
      leastGainPercent: layout.leastGainPercent)
  }

  private func close(_ writer: StreamWriter) throws(VQ4Error) -> VQ4Tensor.Stream {
    let (hash, streamEnd) = try writer.finish()
    let first = chunks.count
    chunks += writer.chunks
    guard chunks.count <= VQ4Limits.maximumChunks else {
      throw VQ4Error(
        .tooMany, "more chunks than the format allows",
        expected: "at most \(VQ4Limits.maximumChunks)", remedy: .checkInput)
    }
    end = streamEnd
    return VQ4Tensor.Stream(chunks: first..<chunks.count, hash: hash, isRaw: false)
  }

  /// Writes the attachments and tables, and publishes the file.
  package func finish() throws(VQ4Error) -> Result { try finish(expecting: nil) }

  /// The same where the content is known.
  ///
  /// - Parameter contentHash: of the file that comes out; nil takes any.
  /// - Throws: `contentHash`, before the file has its name, where it is another.
  func finish(expecting contentHash: VQ4Hash?) throws(VQ4Error) -> Result {
    precondition(openTensor == nil, "a tensor is still open")
    endGroup()
    do {
      return try writeTables(expecting: contentHash)
    } catch {
      throw fail(error)
    }
  }

  /// Gives up: removes the partial file, unless it is to be continued.
  package func abandon() { output.abandon() }

  private func check(_ name: String, of kind: String) throws(VQ4Error) {
    do {
      try Names.check(name)
    } catch {
      throw fail(error.at(kind))
    }
  }

  func fail(_ error: VQ4Error) -> VQ4Error {
    // Whoever can go on later decides first what stays.
    if !output.keepsPartial { output.abandon() }
    return error.path.isEmpty ? error.inFile(output.path) : error
  }
}

extension StreamWriter {
  func append(_ bytes: [UInt8]) throws(VQ4Error) {
    let buffer = try AlignedBuffer(count: bytes.count)
    buffer.prefix(bytes.count).copyBytes(from: bytes)
    try append(UnsafeRawBufferPointer(buffer.prefix(bytes.count)))
  }
}
