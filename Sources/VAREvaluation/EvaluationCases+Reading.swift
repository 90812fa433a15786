import VARJSON
import VARSystem
import VARVision

extension EvaluationSet {
  /// The shapes of the world; `templates/` holds a mask of each in each size.
  package static let shapes = ["circle", "cross", "ring", "square", "star", "triangle"]

  /// The shapes set has 0.5 MB. A file takes up to 44 MiB of memory, whatever it holds.
  private static let maximumFileBytes = 2 << 20

  /// Of the pictures, in pixels.
  private static let largestSide = 1024
  /// No picture of a set is larger, whatever memory there is.
  package static let pictureLimits = ImageLimits(
    maximumPixels: largestSide * largestSide, maximumMemoryBytes: 32 << 20)

  /// Reads `eval.json` and the templates of a folder; throws ``EvaluationError``.
  package init(directory: String) throws(EvaluationError) {
    let path = "\(directory)/eval.json"
    let bytes: [UInt8]?
    do throws(SystemError) {
      bytes = try WholeFile.read(path, atMost: Self.maximumFileBytes)
    } catch {
      throw EvaluationError(.unreadable, path: path, "\(error)\(error.advice)")
    }
    guard let bytes else {
      throw EvaluationError(
        .unreadable, path: path, "more than \(Self.maximumFileBytes) bytes of file")
    }
    let root: JSONValue
    do {
      root = try JSONValue(parsing: bytes)
    } catch {
      throw EvaluationError(.malformed, path: path, "\(error)")
    }
    let reader = EvaluationReader(path: path)
    self.directory = directory
    imageSize = try reader.integer(root, "image_size", in: 32...Self.largestSide)
    colors = try reader.palette(root, "colors")
    backgrounds = try reader.palette(root, "backgrounds")
    cells = try reader.cells(root, imageSize: imageSize)
    systemPrompt = try reader.text(root, "system_prompt")
    generationReply = try reader.text(root, "generation_reply")
    editReply = try reader.text(root, "edit_reply")
    let sizes = try reader.members(root, "sizes_radius").map(\.key)
    for size in sizes where size.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) {
      throw reader.fail(root, "\"sizes_radius\": \"\(size)\" cannot be part of a file's name")
    }
    let world = EvaluationReader.World(
      imageSize: imageSize, colors: Set(colors.map(\.name)),
      backgrounds: Set(backgrounds.map(\.name)), cells: Set(cells.map(\.name)), sizes: Set(sizes))
    var questions: [QuestionCase] = []
    for value in try reader.array(root, "vqa") {
      questions.append(
        QuestionCase(
          id: try reader.text(value, "id"), kind: try reader.text(value, "kind"),
          image: try reader.file(value, "image"), question: try reader.text(value, "question"),
          answer: try reader.text(value, "answer")))
    }
    self.questions = questions
    var drawings: [String: [DrawingCase]] = [:]
    for key in ["generation", "edit"] {
      for value in try reader.array(root, key) {
        drawings[key, default: []].append(
          try reader.drawing(value, isEdit: key == "edit", world: world))
      }
    }
    generations = drawings["generation"] ?? []
    edits = drawings["edit"] ?? []
    templates = try Self.readTemplates(directory: directory, sizes: sizes)
  }

  private static func readTemplates(
    directory: String, sizes: [String]
  ) throws(EvaluationError) -> [ShapeTemplate] {
    var templates: [ShapeTemplate] = []
    for shape in shapes {
      for size in sizes {
        let path = "\(directory)/templates/\(shape)_\(size).png"
        let image: RGBImage
        do throws(ImageError) {
          image = try ImageDecoder.decode(path: path, limits: pictureLimits)
        } catch {
          let code: EvaluationError.Code = error.code == .unreadable ? .unreadable : .malformed
          throw EvaluationError(code, path: path, error.detail)
        }
        let side = ShapeTemplate.side
        guard image.width == side, image.height == side else {
          throw EvaluationError(
            .malformed, path: path, "\(image.width) x \(image.height), expected \(side) x \(side)")
        }
        let coverage = (0..<side * side).map { image.pixels[$0 * 3] }
        templates.append(ShapeTemplate(shape: shape, size: size, coverage: coverage))
      }
    }
    return templates
  }
}

/// Checked access to the members of `eval.json`.
private struct EvaluationReader {
  struct World {
    let imageSize: Int
    let colors, backgrounds, cells, sizes: Set<String>
  }

  let path: String

  func fail(_ value: JSONValue, _ text: String) -> EvaluationError {
    let place = value["id"]?.stringValue.map { "case \($0): " } ?? ""
    return EvaluationError(.malformed, path: path, place + text)
  }

  func text(_ value: JSONValue, _ key: String) throws(EvaluationError) -> String {
    guard let text = value[key]?.stringValue else {
      throw fail(value, "\"\(key)\": a text is expected")
    }
    return text
  }

  /// The name of a file of the set, which stands in its folder or below; links may lead elsewhere.
  func file(_ value: JSONValue, _ key: String) throws(EvaluationError) -> String {
    let name = try text(value, key)
    let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard !name.isEmpty, !name.hasPrefix("/"), !name.utf8.contains(0),
      !parts.contains(where: { $0.elementsEqual("..".utf8) })
    else {
      throw fail(
        value,
        "\"\(key)\": \"\(name)\" is no name of a file in the set's folder (no \"/\" in front, "
          + "no \"..\")")
    }
    return name
  }

  func integer(
    _ value: JSONValue, _ key: String, in range: ClosedRange<Int>
  ) throws(EvaluationError) -> Int {
    guard let number = value[key]?.integerValue, range.contains(number) else {
      throw fail(value, "\"\(key)\": an integer in \(range) is expected")
    }
    return number
  }

  func array(_ value: JSONValue, _ key: String) throws(EvaluationError) -> [JSONValue] {
    guard let array = value[key]?.arrayValue else {
      throw fail(value, "\"\(key)\": an array is expected")
    }
    return array
  }

  func members(
    _ value: JSONValue, _ key: String
  ) throws(EvaluationError) -> [(key: String, value: JSONValue)] {
    guard let members = value[key]?.objectValue?.members, !members.isEmpty else {
      throw fail(value, "\"\(key)\": an object with members is expected")
    }
    return members
  }

  func palette(_ root: JSONValue, _ key: String) throws(EvaluationError) -> [EvaluationSet
    .NamedColor]
  {
    var colors: [EvaluationSet.NamedColor] = []
    for (name, value) in try members(root, key) {
      let rgb = (value.arrayValue ?? []).compactMap(\.integerValue)
      guard rgb.count == 3, rgb.allSatisfy({ (0...255).contains($0) }) else {
        throw fail(root, "\"\(key)\": \(name): three integers in 0...255 are expected")
      }
      colors.append(EvaluationSet.NamedColor(name: name, rgb: rgb))
    }
    return colors
  }

  func cells(_ root: JSONValue, imageSize: Int) throws(EvaluationError) -> [EvaluationSet.GridCell]
  {
    var cells: [EvaluationSet.GridCell] = []
    for (name, value) in try members(root, "positions") {
      let (x, y) = try centre(value, of: root, imageSize: imageSize)
      cells.append(EvaluationSet.GridCell(name: name, x: x, y: y))
    }
    return cells
  }

  func centre(
    _ value: JSONValue, of owner: JSONValue, imageSize: Int
  ) throws(EvaluationError) -> (x: Int, y: Int) {
    let centre = (value["center_xy"]?.arrayValue ?? []).compactMap(\.integerValue)
    guard centre.count == 2, centre.allSatisfy({ (0..<imageSize).contains($0) }) else {
      throw fail(owner, "\"center_xy\": two integers within the picture are expected")
    }
    return (centre[0], centre[1])
  }

  func drawing(
    _ value: JSONValue, isEdit: Bool, world: World
  ) throws(EvaluationError) -> EvaluationSet.DrawingCase {
    let scene = try scene(value, world: world)
    return EvaluationSet.DrawingCase(
      id: try text(value, "id"),
      kind: isEdit ? try text(value, "kind") : "n\(scene.objects.count)",
      instruction: try text(value, "instruction"),
      source: isEdit ? try file(value, "source") : nil, target: try file(value, "target"),
      scene: scene)
  }

  private func scene(
    _ owner: JSONValue, world: World
  ) throws(EvaluationError) -> EvaluationSet.Scene {
    func known(
      _ value: JSONValue?, _ key: String, _ names: Set<String>
    ) throws(EvaluationError) -> String {
      guard let name = value?[key]?.stringValue, names.contains(name) else {
        throw fail(
          owner, "scene: \"\(key)\": \(value?[key]?.text ?? "nothing") is not in the world")
      }
      return name
    }
    let background = owner["scene"]?["background"]
    guard
      let kind = background?["kind"]?.stringValue.flatMap(EvaluationSet.Background.Kind.init),
      let values = owner["scene"]?["objects"]?.arrayValue
    else { throw fail(owner, "scene: a known background kind and objects are expected") }
    var objects: [EvaluationSet.SceneObject] = []
    for value in values {
      let (x, y) = try centre(value, of: owner, imageSize: world.imageSize)
      objects.append(
        EvaluationSet.SceneObject(
          shape: try known(value, "shape", Set(EvaluationSet.shapes)),
          color: try known(value, "color", world.colors),
          size: try known(value, "size", world.sizes),
          position: try known(value, "position", world.cells), x: x, y: y))
    }
    return EvaluationSet.Scene(
      background: EvaluationSet.Background(
        kind: kind, top: try known(background, "top", world.backgrounds),
        bottom: try known(background, "bottom", world.backgrounds)),
      objects: objects)
  }
}
