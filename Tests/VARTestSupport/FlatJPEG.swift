/// A JPEG file of any extents whose upper and lower halves are of one colour each, written by hand.
///
/// Nearly every block is two bits, so that a photograph of 100 million pixels takes half a megabyte and no time.
public struct FlatJPEG {
  public let width, height: Int
  /// Whether all coefficients stay in memory until the last scan: a progressive file of one scan.
  public var isProgressive = false
  /// Blocks of the first component along each side of a unit; the other components have one.
  public var sampling = 1
  /// Samples of each component, 1...255 and nowhere more than 127 from 128, in the upper and in the lower half.
  public var upper: [Int]
  public var lower: [Int]

  /// A grey picture unless colours are set.
  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
    upper = [60]
    lower = [200]
  }

  /// The first row of the lower half.
  public var lowerStart: Int { unitRows / 2 * 8 * sampling }

  private var unitRows: Int { (height + 8 * sampling - 1) / (8 * sampling) }
  private var unitColumns: Int { (width + 8 * sampling - 1) / (8 * sampling) }

  public var bytes: [UInt8] {
    let components = upper.count
    // A step of 8 makes a difference of DC values one of samples.
    var file: [UInt8] = [0xFF, 0xD8] + segment(0xDB, [0] + [UInt8](repeating: 8, count: 64))
    var frame = [8, height >> 8, height & 255, width >> 8, width & 255, components]
    for component in 0..<components {
      let factor = component == 0 ? sampling : 1
      frame += [component + 1, factor << 4 | factor, 0]
    }
    file += segment(isProgressive ? 0xC2 : 0xC0, frame.map { UInt8($0) })
    // DC: one bit for no difference, five bits for a difference of 1...8 bits. AC: one bit for the end of a block.
    let none = [UInt8](repeating: 0, count: 11)
    let differences: [UInt8] = [0x00, 1, 0, 0, 0, 8] + none + [0, 1, 2, 3, 4, 5, 6, 7, 8]
    let ends: [UInt8] = [0x10, 1, 0, 0, 0, 0] + none + [0]
    file += segment(0xC4, differences) + segment(0xC4, ends)
    var start = [UInt8(components)]
    for component in 1...components { start += [UInt8(component), 0] }
    start += [0, isProgressive ? 0 : 63, 0]
    file += segment(0xDA, start)
    return file + scan() + [0xFF, 0xD9]
  }

  private func segment(_ marker: UInt8, _ payload: [UInt8]) -> [UInt8] {
    let length = payload.count + 2
    return [0xFF, marker, UInt8(length >> 8), UInt8(length & 255)] + payload
  }

  private func scan() -> [UInt8] {
    let units = unitRows * unitColumns
    let change = unitRows / 2 * unitColumns
    var bits = Bits()
    for unit in [0, change] where unit < units {
      let isFirst = unit == 0
      for component in upper.indices {
        let before = isFirst ? 128 : upper[component]
        let now = isFirst && change > 0 ? upper[component] : lower[component]
        bits.append(difference: now - before)
        if !isProgressive { bits.appendZeros(1) }
        let others = component == 0 ? sampling * sampling - 1 : 0
        bits.appendZeros(others * (isProgressive ? 1 : 2))
      }
      let following = (isFirst && change > 0 ? change : units) - unit - 1
      let blocks = sampling * sampling + upper.count - 1
      bits.appendZeros(following * blocks * (isProgressive ? 1 : 2))
      if change == 0 { break }
    }
    return bits.stuffed
  }

  private struct Bits {
    private var bytes: [UInt8] = []
    private var count = 0

    mutating func appendZeros(_ zeros: Int) {
      count += zeros
      bytes += [UInt8](repeating: 0, count: max(0, (count + 7) / 8 - bytes.count))
    }

    mutating func append(_ value: Int, _ length: Int) {
      for bit in (0..<length).reversed() {
        appendZeros(1)
        if value >> bit & 1 == 1 { bytes[(count - 1) / 8] |= 0x80 >> UInt8((count - 1) % 8) }
      }
    }

    mutating func append(difference: Int) {
      let length = Int.bitWidth - abs(difference).leadingZeroBitCount
      if length == 0 { return appendZeros(1) }
      append(0b10000 + length - 1, 5)
      append(difference > 0 ? difference : difference + (1 << length) - 1, length)
    }

    /// The bytes as they stand in a file: each 0xFF is followed by 0.
    var stuffed: [UInt8] {
      bytes.contains(0xFF) ? bytes.flatMap { $0 == 0xFF ? [0xFF, 0] : [$0] } : bytes
    }
  }
}
