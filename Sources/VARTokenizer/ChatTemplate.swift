/// One message of a conversation.
package struct ChatMessage: Sendable, Equatable {
  /// Who speaks.
  package enum Role: String, Sendable {
    case system, user, assistant
  }

  /// A piece of a message.
  package enum Part: Sendable, Equatable {
    /// Text in which special tokens are found, as in the reference.
    case text(String)
    /// Text that is taken as it is: nothing in it becomes a special token.
    case plainText(String)
    /// The place of a picture; the i-th place belongs to the i-th picture.
    case image
  }

  package var role: Role
  package var parts: [Part]

  package init(_ role: Role, _ parts: [Part]) {
    self.role = role
    self.parts = parts
  }

  package init(_ role: Role, _ text: String) {
    self.init(role, [.text(text)])
  }
}

/// The chat format of Qwen2-VL, written out in code: a template text in a model file is never run.
package enum ChatTemplate {
  /// The system message of a conversation that does not start with one of its own.
  package static let defaultSystemPrompt = "You are a helpful assistant."

  /// What stands for a picture; its `<|image_pad|>` is repeated by ``expandImagePads(in:padID:counts:)``.
  package static let imagePlaceholder = "<|vision_start|><|image_pad|><|vision_end|>"

  /// The text of a conversation, ready for `Tokenizer.encode`.
  /// - Parameters:
  ///   - addVisionID: puts `Picture N: ` before each picture, counted from 1.
  ///   - addGenerationPrompt: ends with the start of the assistant's answer.
  package static func render(
    _ messages: [ChatMessage], addDefaultSystem: Bool = true, addVisionID: Bool = false,
    addGenerationPrompt: Bool = true
  ) -> String {
    pieces(
      messages, addDefaultSystem: addDefaultSystem, addVisionID: addVisionID,
      addGenerationPrompt: addGenerationPrompt
    ).map(\.text).joined()
  }

  /// A stretch of a conversation's text.
  package struct Piece: Equatable {
    package var text: String
    /// Whether special tokens are found in it. Text that is taken as it is stands in pieces of its own, with the words
    /// of the template around it up to the next special token, so that it is cut into tokens as in one text.
    package let isTemplate: Bool
  }

  /// The text of a conversation in pieces, each for a call of `Tokenizer.encode`.
  package static func pieces(
    _ messages: [ChatMessage], addDefaultSystem: Bool = true, addVisionID: Bool = false,
    addGenerationPrompt: Bool = true
  ) -> [Piece] {
    var pieces = PieceList()
    var imageCount = 0
    if addDefaultSystem, let first = messages.first, first.role != .system {
      pieces.append(special: "<|im_start|>")
      pieces.append(words: "system\n\(defaultSystemPrompt)")
      pieces.append(special: "<|im_end|>")
      pieces.append(words: "\n")
    }
    for message in messages {
      pieces.append(special: "<|im_start|>")
      pieces.append(words: "\(message.role.rawValue)\n")
      for part in message.parts {
        switch part {
        case .text(let text): pieces.append(words: text, isTemplate: true)
        case .plainText(let text): pieces.append(words: text, isTemplate: false)
        case .image:
          imageCount += 1
          if addVisionID { pieces.append(words: "Picture \(imageCount): ") }
          pieces.append(special: imagePlaceholder)
        }
      }
      pieces.append(special: "<|im_end|>")
      pieces.append(words: "\n")
    }
    if addGenerationPrompt {
      pieces.append(special: "<|im_start|>")
      pieces.append(words: "assistant\n")
    }
    return pieces.closed
  }

  /// Repeats the i-th image placeholder as often as the i-th picture has merged patches.
  /// - Parameters:
  ///   - ids: an encoded conversation.
  ///   - padID: the id of `<|image_pad|>`.
  ///   - counts: `t * h * w / 4` of each picture's grid, at least 0.
  /// - Throws: `imageCountMismatch` unless there are as many placeholders as counts.
  package static func expandImagePads(
    in ids: [Int32], padID: Int32, counts: [Int]
  ) throws(TokenizerError) -> [Int32] {
    let padCount = ids.reduce(0) { $0 + ($1 == padID ? 1 : 0) }
    guard padCount == counts.count else {
      throw TokenizerError(
        .imageCountMismatch, in: "conversation",
        "\(padCount) image placeholders for \(counts.count) images; name each image once and leave "
          + "<|image_pad|> out of the text")
    }
    var output: [Int32] = []
    output.reserveCapacity(ids.count + counts.reduce(0, +))
    var imageIndex = 0
    for id in ids {
      if id == padID {
        output.append(contentsOf: repeatElement(padID, count: counts[imageIndex]))
        imageIndex += 1
      } else {
        output.append(id)
      }
    }
    return output
  }
}

/// Collects the text of a conversation: stretches of words between special tokens.
private struct PieceList {
  private var pieces: [ChatTemplate.Piece] = []
  private var words = ""
  /// Whether special tokens are found in the words; nil where they are the template's, which have none.
  private var findsTokens: Bool?

  mutating func append(special text: String) {
    closeWords()
    add(text, isTemplate: true)
  }

  /// - Parameter isTemplate: nil for words of the template itself, which go with any others.
  mutating func append(words text: String, isTemplate: Bool? = nil) {
    if let isTemplate {
      if let findsTokens, findsTokens != isTemplate { closeWords() }
      findsTokens = isTemplate
    }
    words += text
  }

  private mutating func closeWords() {
    add(words, isTemplate: findsTokens ?? true)
    words = ""
    findsTokens = nil
  }

  private mutating func add(_ text: String, isTemplate: Bool) {
    guard !text.isEmpty else { return }
    if isTemplate, let last = pieces.last, last.isTemplate {
      pieces[pieces.count - 1].text += text
    } else {
      pieces.append(ChatTemplate.Piece(text: text, isTemplate: isTemplate))
    }
  }

  var closed: [ChatTemplate.Piece] {
    var copy = self
    copy.closeWords()
    return copy.pieces
  }
}
