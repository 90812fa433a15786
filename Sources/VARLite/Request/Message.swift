/// What somebody says: texts and pictures in their order.
public struct Message: Sendable {
  /// Who speaks.
  public enum Role: String, Sendable, CaseIterable {
    /// Says how to behave; first in a conversation. Without such a message the model's own one stands there.
    case system
    /// Asks.
    case user
    /// The model, earlier in the conversation.
    case assistant
  }

  /// A piece of a message.
  public struct Part: Sendable {
    enum Content {
      case text(String)
      case templateText(String)
      case picture(Picture)
    }

    let content: Content

    /// Words, taken as they are: nothing in them becomes a special token or the place of a picture.
    public static func text(_ text: String) -> Part { Part(content: .text(text)) }
    /// Words of the program's own author: `<|im_end|>` and its like become the tokens that they name.
    public static func templateText(_ text: String) -> Part {
      Part(content: .templateText(text))
    }
    /// A picture that the model looks at.
    public static func picture(_ picture: Picture) -> Part { Part(content: .picture(picture)) }
  }

  /// Who speaks.
  public var role: Role
  /// Texts and pictures, in the order in which the model reads them.
  public var parts: [Part]
  /// The text as it was typed, where that had marks for pictures.
  private var typedText: String?

  /// Texts and pictures in any order.
  public init(_ role: Role, parts: [Part]) {
    self.role = role
    self.parts = parts
  }

  /// Pictures, then a text.
  public init(_ role: Role, _ text: String, pictures: [Picture] = []) {
    self.init(role, parts: pictures.map { .picture($0) } + [.text(text)])
  }

  /// What a person typed at a terminal: `<image>` marks in the text say where each picture goes, and what reads like a
  /// special token becomes that token, as in the model's reference. Without marks the pictures come first.
  ///
  /// - Throws: an error of the category `request` unless there are as many marks as pictures.
  public init(typed text: String, pictures: [Picture] = []) throws(VARLiteError) {
    let pieces = Self.split(text)
    if pieces.count == 1 {
      self.init(.user, parts: pictures.map { .picture($0) } + [.templateText(text)])
    } else {
      guard pieces.count - 1 == pictures.count else {
        throw VARLiteError(
          .request,
          "the text holds \(pieces.count - 1) \(Self.pictureMark) marks for "
            + "\(pictures.count) pictures"
        )
      }
      var parts: [Part] = []
      for (index, piece) in pieces.enumerated() {
        if index > 0 { parts.append(.picture(pictures[index - 1])) }
        if !piece.isEmpty { parts.append(.templateText(piece)) }
      }
      self.init(.user, parts: parts)
    }
    typedText = text
  }

  /// The pictures of the message, in their order.
  public var pictures: [Picture] {
    parts.compactMap { part in
      if case .picture(let picture) = part.content { picture } else { nil }
    }
  }

  /// The words of the message; as they were typed, where they were.
  public var text: String {
    typedText
      ?? parts.map { part in
        switch part.content {
        case .text(let text), .templateText(let text): text
        case .picture: ""
        }
      }.joined()
  }

  private static let pictureMark = "<image>"

  private static func split(_ text: String) -> [String] {
    let bytes = Array(text.utf8)
    let mark = Array(pictureMark.utf8)
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
