import VARLite
import VARSystem

/// A file that a drawing is stored in after each of its scales.
enum SavedDrawing {
  /// Whether a file begins as one.
  static func isOne(_ path: String) -> Bool {
    DrawingState.isSerialized((try? OpenFile(path, .reading).bytes(at: 0, count: 32)) ?? [])
  }

  /// - Throws: `BadInput` for a file that is none.
  static func read(_ path: String) throws -> DrawingState {
    let bytes = try FileInput.bytes(path)
    do throws(VARLiteError) { return try DrawingState(serialized: bytes) } catch {
      throw BadInput("\(path): \(error.detail)")
    }
  }

  /// Checks before the work that a drawing can be stored at `path`, and that nothing is lost by it: no other file, and
  /// no drawing that is not complete, but for the one that is gone on with.
  static func check(
    _ path: String, sparing inputs: [String], resumed: String?
  ) throws {
    guard path != "-" else {
      throw VARLiteError(.request, "--checkpoint writes a file after each scale; name one")
    }
    try FileOutput.check(path, sparing: inputs)
    guard let status = FileStatus(path), status.kind == .regular, status.byteCount > 0 else {
      return
    }
    guard let state = try? read(path) else {
      throw VARLiteError(
        .request, "\(path): is there and is no saved drawing; name another file, or remove it")
    }
    let isResumed = resumed.map { WholeFile.isSamePlace(path, $0) } ?? false
    guard state.isComplete || isResumed else {
      throw VARLiteError(
        .request,
        "\(path): holds \(state.bits.count) of \(state.schedule.scales.count) scales of a drawing; "
          + "go on with --resume-from \(path), or remove it")
    }
  }
}

/// Stores a drawing after each of its scales; it is as many bytes as an eighth of its bits. What cannot be stored is
/// said once, and the drawing goes on.
final class Checkpoint {
  private let path: String
  private var hasFailed = false

  init(path: String) { self.path = path }

  func store(_ state: DrawingState, _ progress: ProgressLine) {
    do throws(VARLiteError) {
      try FileOutput.write(FileContent(state.serialized), to: path, keepsUnnamed: false)
    } catch {
      if !hasFailed { progress.line("varlite: \(error); the drawing goes on without checkpoints") }
      hasFailed = true
    }
  }
}
