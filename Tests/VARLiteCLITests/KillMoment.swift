import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A moment at which a program is killed: some in the gate, 20 where the environment asks for that.
struct KillMoment: Sendable, CustomStringConvertible {
  let number: Int
  /// The share of an undisturbed run's time.
  let share: Double

  var description: String { "\(Int(share * 100)) %" }

  /// One at random in each of equal parts of the time.
  static func all(of count: Int) -> [KillMoment] {
    let count = getenv("VARLITE_ALL_KILLS") == nil ? count : 20
    var random = SplitMix64(seed: 18)
    return (0..<count).map {
      let place = Double($0) + Double(random.next() % 1000) / 1000
      return KillMoment(number: $0, share: place / Double(count))
    }
  }

  /// Runs `varlite` with the reference model, and kills it.
  ///
  /// - Parameter duration: of the same run without that.
  func kill(_ arguments: [String], lasting duration: Duration) throws -> Programs.Result {
    let milliseconds = Int(duration / .milliseconds(1) * share)
    let text = "\(milliseconds / 1000).\(String(1000 + milliseconds % 1000).dropFirst())"
    return try Programs.shell(
      """
      seconds=$1; shift
      "$0" "$@" & process=$!
      sleep "$seconds"; kill -KILL $process 2>/dev/null; wait $process
      """, [text] + arguments)
  }
}
