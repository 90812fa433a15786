import VARTokenizer
import VARVision

/// What a user says in one turn: a text and pictures.
///
/// Pictures come before the text, unless the text holds `<image>` marks, which say where each goes.
public struct Prompt: Sendable {
  /// What the user says. What reads like a special token becomes that token, as in the reference.
  public var text: String
  /// Pictures, in the order of their marks.
  public var images: [RGBImage]
  /// Replaces the template's default system message.
  public var system: String?

  public init(_ text: String, images: [RGBImage] = [], system: String? = nil) {
    self.text = text
    self.images = images
    self.system = system
  }

  static let imageMark = "<image>"

  /// The user message's parts in order.
  func parts() throws(GenerationError) -> [ChatMessage.Part] {
    let pieces = split()
    let marks = pieces.count - 1
    if marks == 0 {
      return images.map { _ in .image } + [.text(text)]
    }
    guard marks == images.count else {
      throw GenerationError(
        .invalidRequest,
        "the text holds \(marks) \(Self.imageMark) marks for \(images.count) pictures")
    }
    var parts: [ChatMessage.Part] = []
    for (index, piece) in pieces.enumerated() {
      if index > 0 { parts.append(.image) }
      if !piece.isEmpty { parts.append(.text(piece)) }
    }
    return parts
  }

  private func split() -> [String] {
    let bytes = Array(text.utf8)
    let mark = Array(Self.imageMark.utf8)
    var pieces: [[UInt8]] = [[]]
    var index = 0
    while index < bytes.count {
      if bytes[index...].starts(with: mark) {
        pieces.append([])
        index += mark.count
      } else {
        pieces[pieces.count - 1].append(bytes[index])
        index += 1
      }
    }
    return pieces.map { String(decoding: $0, as: UTF8.self) }
  }
}
