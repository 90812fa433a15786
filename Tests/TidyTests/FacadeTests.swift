import Testing

/// What the product shows to apps: a new public type is a decision, and has its words.
@Suite struct FacadeTests {
  /// All public types, by the target that declares them.
  private static let types: [String: Set<String>] = [
    "VARKernels": ["InstructionSet"],
    "VARModels": ["GridSize", "KVType", "PixelBudget", "PixelSize", "ScaleSchedule"],
    "VARSystem": ["MappingGuard", "ProcessMemory", "SystemMemory"],
    "VARVision": ["ImageSource", "RGBImage"],
    "VARLite": [
      "ChatSession", "DrawingRequest", "DrawingState", "DrawnScale", "Event", "DrawingAspect",
      "DrawingSize", "Job", "JobEvents", "MachineSpeed", "Message", "Model", "ModelDescription",
      "ModelFile", "Note", "Picture", "Preview", "Progress", "Reconstruction", "Remedy",
      "Request", "RequestPhase", "RequestPlan", "Residency", "Response", "Runtime", "StopSignal",
      "TextSampling", "VARLiteError",
    ],
  ]

  /// A public declaration of a library.
  private struct Declaration {
    let file: SourceFile
    let number: Int
    let code: String
    /// The comment that stands before it.
    let documentation: [String]
    /// The words up to the body, over all its lines.
    let head: String
  }

  private static var declarations: [Declaration] {
    SourceTree.files(below: "Sources").filter { $0.isSwift && !$0.target.hasSuffix("CLI") }
      .flatMap { file in
        file.lines.indices.compactMap { index -> Declaration? in
          let code = String(file.lines[index].drop { $0 == " " })
          guard code.hasPrefix("public ") else { return nil }
          var comment: [String] = []
          for line in file.lines[..<index].reversed() {
            let text = line.drop { $0 == " " }
            guard text.hasPrefix("///") else { break }
            comment.append(String(text))
          }
          let head = file.lines[index...].prefix(12).joined(separator: " ").prefix { $0 != "{" }
          return Declaration(
            file: file, number: index + 1, code: code, documentation: comment.reversed(),
            head: String(head))
        }
      }
  }

  private static func type(_ code: String) -> String? {
    let words = code.split(separator: " ")
    guard
      let kind = words.firstIndex(where: { ["struct", "enum", "class", "protocol"].contains($0) }),
      kind <= 2, kind + 1 < words.count
    else { return nil }
    return String(words[kind + 1].prefix { $0.isLetter || $0.isNumber })
  }

  @Test func publicTypesAreThoseOfTheList() {
    var found: [String: Set<String>] = [:]
    for declaration in Self.declarations
    where !declaration.file.lines[declaration.number - 1].hasPrefix(" ") {
      guard let type = Self.type(declaration.code) else { continue }
      found[declaration.file.target, default: []].insert(type)
    }
    #expect(found == Self.types)
  }

  /// The name says it all of these: they fulfil protocols of the standard library.
  private static let fulfilments = ["init(rawValue:", "static func ==", "static func <"]

  @Test func publicDeclarationsAreExplained() {
    let all = Self.declarations
    #expect(all.count > 300)
    for declaration in all where Self.type(declaration.code) != nil {
      #expect(
        !declaration.documentation.isEmpty,
        "\(declaration.file.path):\(declaration.number): a public type without words")
    }
    let bare = all.filter { $0.documentation.isEmpty }
      .filter { declaration in !Self.fulfilments.contains { declaration.code.contains($0) } }
    let places = bare.map { "\($0.file.path):\($0.number)" }
    #expect(bare.count * 100 <= all.count * 5, "\(places)")
  }

  /// Who calls must know what can go wrong.
  @Test func publicCallsSayWhatTheyThrow() {
    for declaration in Self.declarations where declaration.head.contains(" throws") {
      #expect(
        !declaration.documentation.isEmpty,
        "\(declaration.file.path):\(declaration.number): throws, and has no words")
    }
  }
}
