import VARModels
import VARSystem

/// Pictures by which the preview map is fitted: shapes on plain grounds, gradients and soft noise, the same on every
/// machine.
struct SyntheticPictures {
  /// Pixels.
  let width, height: Int
  private var random = SeededRandom(seed: 0)

  /// Ten for each unknown of a map are enough equations: a token is one.
  private static let equationsPerWeight = 10

  /// Pictures for a map of so many weights for a colour.
  static func count(weights: Int, tokensPerPicture: Int) -> Int {
    (equationsPerWeight * weights + tokensPerPicture - 1) / tokensPerPicture
  }

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  /// The next picture: `[height, width, 3]` within -1...1.
  mutating func next(_ index: Int) -> [Float] {
    var picture = ground(index)
    for _ in 0..<1 + index % 3 { addShape(to: &picture) }
    return picture
  }

  /// Colours that go over into each other between the places of a grid: one place is a single colour, two a gradient,
  /// more are noise.
  private mutating func ground(_ index: Int) -> [Float] {
    let places = [1, 1, 1, 2, 1, 1, 1, 4][index % 8]
    let colours = (0..<places * places).map { _ in colour() }
    let (down, across) = (
      Float(max(places - 1, 0)) / Float(height), Float(max(places - 1, 0)) / Float(width)
    )
    var picture: [Float] = []
    picture.reserveCapacity(width * height * 3)
    for y in 0..<height {
      for x in 0..<width {
        let (row, column) = (Float(y) * down, Float(x) * across)
        let (top, left) = (Int(row), Int(column))
        func at(_ row: Int, _ column: Int) -> Colour {
          colours[min(row, places - 1) * places + min(column, places - 1)]
        }
        let upper = at(top, left).mixed(with: at(top, left + 1), column - Float(left))
        let lower = at(top + 1, left).mixed(with: at(top + 1, left + 1), column - Float(left))
        let colour = upper.mixed(with: lower, row - Float(top))
        picture += [colour.red, colour.green, colour.blue]
      }
    }
    return picture
  }

  /// A disc or a box of one colour.
  private mutating func addShape(to picture: inout [Float]) {
    let colour = colour()
    let isDisc = random.number() < 0.5
    let (centreY, centreX) = (random.number() * Float(height), random.number() * Float(width))
    let (reachY, reachX) = (
      (0.08 + 0.2 * random.number()) * Float(height), (0.08 + 0.2 * random.number()) * Float(width)
    )
    for y in 0..<height {
      for x in 0..<width {
        let (down, across) = ((Float(y) - centreY) / reachY, (Float(x) - centreX) / reachX)
        let isInside = isDisc ? down * down + across * across < 1 : max(abs(down), abs(across)) < 1
        guard isInside else { continue }
        let start = (y * width + x) * 3
        (picture[start], picture[start + 1], picture[start + 2]) = (
          colour.red, colour.green, colour.blue
        )
      }
    }
  }

  /// Any colour, a grey, or one of the strongest.
  private mutating func colour() -> Colour {
    switch Int(random.number() * 4) {
    case 0:
      let grey = 2 * random.number() - 1
      return Colour(red: grey, green: grey, blue: grey)
    case 1:
      let ends = (0..<3).map { _ in random.number() < 0.5 ? Float(-0.9) : 0.9 }
      return Colour(red: ends[0], green: ends[1], blue: ends[2])
    default:
      let any = (0..<3).map { _ in 2 * random.number() - 1 }
      return Colour(red: any[0], green: any[1], blue: any[2])
    }
  }

  /// Within -1...1.
  private struct Colour {
    let red, green, blue: Float

    func mixed(with other: Colour, _ share: Float) -> Colour {
      Colour(
        red: (1 - share) * red + share * other.red,
        green: (1 - share) * green + share * other.green,
        blue: (1 - share) * blue + share * other.blue)
    }
  }
}

extension SeededRandom {
  /// Within 0..<1, a multiple of 2^-24.
  fileprivate mutating func number() -> Float { Float(next() >> 40) / 16_777_216 }
}
