/// The shapes world's cases with machine-checkable answers: a folder with `eval.json`, pictures and templates.
public struct EvaluationSet: Sendable {
  /// The folder of the set; the cases' paths are relative to it.
  public let directory: String
  /// Width and height of every picture, in pixels.
  public let imageSize: Int
  /// Colours of objects, in the order of the file.
  public let colors: [NamedColor]
  /// Colours of backgrounds, in the order of the file.
  public let backgrounds: [NamedColor]
  /// The nine grid cells.
  public let cells: [GridCell]
  /// Coverage masks, for every shape in both sizes.
  public let templates: [ShapeTemplate]
  public let systemPrompt: String
  /// What the model must answer before it draws.
  public let generationReply: String
  /// What the model must answer before it draws an edited picture.
  public let editReply: String
  public let questions: [QuestionCase]
  public let generations: [DrawingCase]
  public let edits: [DrawingCase]

  /// The path of a file of the set.
  public func path(_ name: String) -> String { "\(directory)/\(name)" }
}

extension EvaluationSet {
  /// One entry of a palette.
  public struct NamedColor: Sendable, Equatable {
    public let name: String
    /// Red, green, blue, each 0...255.
    public let rgb: [Int]
  }

  /// A place where at most one object stands.
  public struct GridCell: Sendable, Equatable {
    public let name: String
    /// Centre in pixels.
    public let x, y: Int
  }

  /// How much of each pixel a shape covers.
  public struct ShapeTemplate: Sendable, Equatable {
    /// Side of a mask, in pixels.
    public static let side = 31

    public let shape: String
    public let size: String
    /// `[31, 31]`, 0...255; 255 is covered.
    public let coverage: [UInt8]
  }

  /// The picture that a case expects.
  public struct Scene: Sendable, Equatable {
    public let background: Background
    public let objects: [SceneObject]
  }

  /// Two palette entries and how they fill the picture.
  public struct Background: Sendable, Equatable {
    public enum Kind: String, Sendable { case plain, gradient, split }
    public let kind: Kind
    /// Names of entries of ``EvaluationSet/backgrounds``.
    public let top, bottom: String
  }

  /// One object of a scene.
  public struct SceneObject: Sendable, Equatable {
    public let shape, color, size: String
    /// Name of the grid cell.
    public let position: String
    /// Centre in pixels.
    public let x, y: Int
  }

  /// A question about a picture.
  public struct QuestionCase: Sendable, Equatable {
    public let id, kind: String
    /// Relative to the folder of the set.
    public let image: String
    public let question, answer: String

    public init(id: String, kind: String, image: String, question: String, answer: String) {
      self.id = id
      self.kind = kind
      self.image = image
      self.question = question
      self.answer = answer
    }
  }

  /// A picture to draw, from words alone or from another picture.
  public struct DrawingCase: Sendable, Equatable {
    public let id: String
    /// Kind of edit; `n1`, `n2`, ... by the number of objects where nothing is edited.
    public let kind: String
    public let instruction: String
    /// The picture to edit, relative to the folder of the set.
    public let source: String?
    /// The true rendering, relative to the folder of the set.
    public let target: String
    public let scene: Scene
  }
}
