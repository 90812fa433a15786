import VARLite
import VARSystem

/// The shipped cases: questions about scenes, scenes to draw, and scenes to edit. The same on every machine.
package enum SceneCases {
  /// What cases are for. No two uses share a scene: what a model was fitted to says little about others.
  package enum Use: UInt64, Sendable {
    case calibration = 20_261_130
    case accuracy = 20_261_201
    case recipeSearch = 20_261_202
  }

  /// Tokens that the generator is shown at least; the language model sees them too, among others.
  private static let tokenCount = 20_000
  /// Of 14 cases these are of each kind.
  private static let shares = (questions: 6, drawings: 5, edits: 3)
  /// Questions are short: a model that draws large pictures gets no fewer of them than this.
  private static let leastQuestionCount = 48

  /// As many cases as give the generator 20,000 tokens.
  ///
  /// - Parameter limit: cases of each kind at most.
  package static func cases(_ use: Use, for model: Model, limit: Int) -> [ForcedCase] {
    let schedule = ForcedSchedule(model.configuration)
    let isGuided = model.configuration.imageSampling.cfgScale != 1
    let tokensPerPicture = schedule.tokenCount * (isGuided ? 2 : 1)
    let rounds = tokenCount / ((shares.drawings + shares.edits) * tokensPerPicture) + 1
    return cases(
      use, pictureSize: schedule.extents.height,
      questionCount: min(max(rounds * shares.questions, leastQuestionCount), limit),
      drawingCount: min(rounds * shares.drawings, limit),
      editCount: min(rounds * shares.edits, limit))
  }

  private static func cases(
    _ use: Use, pictureSize side: Int, questionCount: Int, drawingCount: Int, editCount: Int
  ) -> [ForcedCase] {
    var random = SeededRandom(seed: use.rawValue)
    var cases: [ForcedCase] = []
    func request(_ text: String, _ scene: Scene?) -> Request {
      Request(text, pictures: scene.map { [Picture($0.picture(side: side))] } ?? [])
    }
    for index in 0..<questionCount {
      let scene = Scene(objectCount: 1 + index % 3, &random)
      let (question, answer) = scene.question(index, &random)
      cases.append(ForcedCase(request(question, scene), answer: answer))
    }
    for index in 0..<drawingCount {
      let scene = Scene(objectCount: 1 + index % 3, &random)
      cases.append(
        ForcedCase(
          request(scene.instruction(index), nil), answer: "Here is the drawing:",
          picture: Picture(scene.picture(side: side))))
    }
    for index in 0..<editCount {
      let scene = Scene(objectCount: 1 + index % 3, &random)
      let (instruction, edited) = scene.edit(index, &random)
      cases.append(
        ForcedCase(
          request(instruction, scene), answer: "The output image is:",
          picture: Picture(edited.picture(side: side))))
    }
    return cases
  }
}

extension Scene {
  /// A scene of objects in different cells.
  init(objectCount: Int, _ random: inout SeededRandom) {
    background = Background(&random)
    objects = []
    while objects.count < objectCount {
      let object = Object(
        shape: random.pick(Shape.allCases), color: random.pick(Scene.colors),
        size: random.pick(Size.allCases), cell: Int(random.next() % 9))
      let isTaken = objects.contains {
        $0.cell == object.cell || $0.shape == object.shape || $0.color == object.color
      }
      if !isTaken { objects.append(object) }
    }
    objects.sort { $0.cell < $1.cell }
  }

  /// A question about the scene with its answer.
  func question(_ index: Int, _ random: inout SeededRandom) -> (question: String, answer: String) {
    let object = random.pick(objects)
    let counts = ["Zero", "One", "Two", "Three"]
    switch index % 10 {
    case 0:
      let verb = objects.count == 1 ? "is" : "are"
      return (
        random.pick(["Describe the image.", "What do you see?", "What is in this picture?"]),
        "There \(verb) \(objectsPhrase) on \(background.phrase)."
      )
    case 1:
      return (
        "What color is the \(object.shape.rawValue)?", object.color.name.capitalizedWord + "."
      )
    case 2: return ("How many objects are in the image?", counts[objects.count] + ".")
    case 3: return ("Is there a \(object.noun)?", "Yes.")
    case 4:
      let other = random.pick(
        Scene.colors.filter { color in !objects.contains { $0.color == color } })
      return ("Do you see a \(other.name) \(object.shape.rawValue)?", "No.")
    case 5: return ("Where is the \(object.noun)?", "It is \(Scene.places[object.cell]).")
    case 6: return ("What shape is \(object.color.name)?", "The \(object.shape.rawValue).")
    case 7:
      return ("Is the \(object.noun) big or small?", object.size.rawValue.capitalizedWord + ".")
    case 8: return ("What is the background?", "It is \(background.phrase).")
    default:
      return (
        "What is \(Scene.places[object.cell])?", "A \(object.size.rawValue) \(object.noun)."
      )
    }
  }

  /// What asks for a drawing of the scene.
  func instruction(_ index: Int) -> String {
    let scene = "\(objectsPhrase) on \(background.phrase)"
    switch index % 7 {
    case 0: return "Please draw \(scene)."
    case 1: return "Generate an image of \(scene)."
    case 2: return "Imagine a scene of \(scene)."
    case 3: return "Can you draw \(scene)?"
    case 4: return "Create a picture of \(scene)."
    case 5: return "Make an image that shows \(scene)."
    default: return "I need a picture of \(scene)."
    }
  }

  /// An instruction that changes the scene, and what comes of it.
  func edit(_ index: Int, _ random: inout SeededRandom) -> (instruction: String, edited: Scene) {
    var edited = self
    let place = Int(random.next() % UInt64(objects.count))
    let object = objects[place]
    let color = random.pick(Scene.colors.filter { $0 != object.color })
    let cell = random.pick((0..<9).filter { cell in !objects.contains { $0.cell == cell } })
    switch index % 7 {
    case 0:
      edited.objects[place].color = color
      return ("Turn the \(object.noun) \(color.name).", edited)
    case 1:
      edited.background = Background(&random)
      return ("Replace the background with \(edited.background.phrase).", edited)
    case 2 where objects.count > 1:
      edited.objects.remove(at: place)
      return ("Delete the \(object.noun).", edited)
    case 3:
      edited.objects[place].shape = random.pick(Shape.allCases.filter { $0 != object.shape })
      return (
        "Swap the \(object.noun) for a \(object.color.name) "
          + "\(edited.objects[place].shape.rawValue).", edited
      )
    case 4:
      let added = Object(
        shape: random.pick(Shape.allCases), color: color, size: random.pick(Size.allCases),
        cell: cell)
      edited.objects.append(added)
      return ("Add \(added.phrase).", edited)
    case 5:
      let size: Size = object.size == .big ? .small : .big
      edited.objects[place].size = size
      return ("Make the \(object.noun) \(size.rawValue).", edited)
    default:
      edited.objects[place].cell = cell
      return ("Put the \(object.noun) \(Scene.places[cell]).", edited)
    }
  }
}

extension Scene.Background {
  init(_ random: inout SeededRandom) {
    fill = random.pick([.plain, .plain, .plain, .gradient, .split])
    top = random.pick(Scene.backgrounds)
    let first = top
    bottom = fill == .plain ? top : random.pick(Scene.backgrounds.filter { $0 != first })
  }
}

extension String {
  fileprivate var capitalizedWord: String { prefix(1).uppercased() + dropFirst() }
}
