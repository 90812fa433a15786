import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A moment at which a program is killed: some in the gate, 20 where the environment asks for that.
struct KillMoments: Sendable, CustomStringConvertible {
  let number: Int
  let milliseconds: Int

  var description: String { "\(milliseconds) ms" }

  static func all(of count: Int) -> [KillMoments] {
    let count = getenv("VARLITE_ALL_KILLS") == nil ? count : 20
    var random = SplitMix64(seed: 18)
    return (0..<count).map {
      // Within equal parts of the time that the run takes.
      let part = 360 / count
      return KillMoments(
        number: $0, milliseconds: 40 + $0 * part + Int(random.next() % UInt64(part)))
    }
  }

  /// Runs `varlite` with the reference model, and kills it.
  func kill(_ arguments: [String]) throws -> Programs.Result {
    try Programs.shell(
      """
      seconds=$1; shift
      "$0" "$@" & process=$!
      sleep "$seconds"; kill -KILL $process 2>/dev/null; wait $process
      """, ["0.\(String(1000 + milliseconds).dropFirst())"] + arguments)
  }
}
