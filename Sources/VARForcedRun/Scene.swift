/// A picture of one to three shapes on a background, drawn by a program: what the shipped cases show and ask for.
struct Scene {
  enum Shape: String, CaseIterable { case circle, square, triangle, star, ring, cross }
  enum Size: String, CaseIterable { case small, big }
  enum Fill: CaseIterable { case plain, gradient, split }

  struct Color: Equatable {
    let name: String
    let rgb: SIMD3<Float>

    init(_ name: String, _ red: Float, _ green: Float, _ blue: Float) {
      self.name = name
      rgb = SIMD3(red, green, blue)
    }
  }

  struct Object {
    var shape: Shape
    var color: Color
    var size: Size
    /// Index of the cell, row by row.
    var cell: Int

    var noun: String { "\(color.name) \(shape.rawValue)" }
    var phrase: String { "a \(size.rawValue) \(noun) \(Scene.places[cell])" }
  }

  struct Background {
    var fill: Fill
    var top, bottom: Color

    var phrase: String {
      switch fill {
      case .plain: "a \(top.name) background"
      case .gradient: "a background fading from \(top.name) to \(bottom.name)"
      case .split: "a background that is \(top.name) above and \(bottom.name) below"
      }
    }
  }

  var background: Background
  var objects: [Object]

  static let colors = [
    Color("red", 220, 40, 40), Color("green", 40, 160, 60), Color("blue", 40, 80, 220),
    Color("yellow", 245, 210, 40), Color("orange", 245, 130, 30), Color("purple", 140, 60, 180),
    Color("cyan", 40, 190, 210), Color("black", 30, 30, 30),
  ]
  static let backgrounds = [
    Color("white", 245, 245, 245), Color("gray", 165, 165, 165), Color("pink", 250, 190, 210),
    Color("mint", 190, 240, 210), Color("beige", 225, 200, 160),
  ]
  /// Phrases for the cells, row by row.
  static let places = [
    "in the top left", "at the top", "in the top right", "on the left", "in the center",
    "on the right", "in the bottom left", "at the bottom", "in the bottom right",
  ]

  /// What is in the picture, in words.
  var objectsPhrase: String {
    let phrases = objects.map(\.phrase)
    guard let last = phrases.last, phrases.count > 1 else { return phrases.joined() }
    return phrases.dropLast().joined(separator: ", ") + " and " + last
  }
}
