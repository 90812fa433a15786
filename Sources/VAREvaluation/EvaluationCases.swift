/// The shapes world's cases with machine-checkable answers: a folder with `eval.json`, pictures and templates.
package struct EvaluationSet: Sendable {
  /// The folder of the set; the cases' paths are relative to it.
  package let directory: String
  /// Width and height of every picture, in pixels.
  package let imageSize: Int
  /// Colours of objects, in the order of the file.
  package let colors: [NamedColor]
  /// Colours of backgrounds, in the order of the file.
  package let backgrounds: [NamedColor]
  /// The nine grid cells.
  package let cells: [GridCell]
  /// Coverage masks, for every shape in both sizes.
  package let templates: [ShapeTemplate]
  package let systemPrompt: String
  /// What the model must answer before it draws.
  package let generationReply: String
  /// What the model must answer before it draws an edited picture.
  package let editReply: String
  package let questions: [QuestionCase]
  package let generations: [DrawingCase]
  package let edits: [DrawingCase]

  /// The right answers, by the questions' ids.
  package var answers: [String: String] {
    Dictionary(questions.map { ($0.id, $0.answer) }, uniquingKeysWith: { first, _ in first })
  }

  /// The path of a file of the set.
  package func path(_ name: String) -> String { "\(directory)/\(name)" }
}

extension EvaluationSet {
  /// One entry of a palette.
  package struct NamedColor: Sendable, Equatable {
    package let name: String
    /// Red, green, blue, each 0...255.
    package let rgb: [Int]
  }

  /// A place where at most one object stands.
  package struct GridCell: Sendable, Equatable {
    package let name: String
    /// Centre in pixels.
    package let x, y: Int
  }

  /// How much of each pixel a shape covers.
  package struct ShapeTemplate: Sendable, Equatable {
    /// Side of a mask, in pixels.
    package static let side = 31

    package let shape: String
    package let size: String
    /// `[31, 31]`, 0...255; 255 is covered.
    package let coverage: [UInt8]
  }

  /// The picture that a case expects.
  package struct Scene: Sendable, Equatable {
    package let background: Background
    package let objects: [SceneObject]
  }

  /// Two palette entries and how they fill the picture.
  package struct Background: Sendable, Equatable {
    package enum Kind: String, Sendable { case plain, gradient, split }
    package let kind: Kind
    /// Names of entries of ``EvaluationSet/backgrounds``.
    package let top, bottom: String
  }

  /// One object of a scene.
  package struct SceneObject: Sendable, Equatable {
    package let shape, color, size: String
    /// Name of the grid cell.
    package let position: String
    /// Centre in pixels.
    package let x, y: Int
  }

  /// A question about a picture.
  package struct QuestionCase: Sendable, Equatable {
    package let id, kind: String
    /// Relative to the folder of the set.
    package let image: String
    package let question, answer: String

    package init(id: String, kind: String, image: String, question: String, answer: String) {
      self.id = id
      self.kind = kind
      self.image = image
      self.question = question
      self.answer = answer
    }
  }

  /// A picture to draw, from words alone or from another picture.
  package struct DrawingCase: Sendable, Equatable {
    package let id: String
    /// Kind of edit; `n1`, `n2`, ... by the number of objects where nothing is edited.
    package let kind: String
    package let instruction: String
    /// The picture to edit, relative to the folder of the set.
    package let source: String?
    /// The true rendering, relative to the folder of the set.
    package let target: String
    package let scene: Scene
  }
}
