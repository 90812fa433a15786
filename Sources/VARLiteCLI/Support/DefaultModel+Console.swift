import VARSharedCLI

extension DefaultModel.Choice {
  /// Says that a demo is at work, where it is.
  func announce() {
    if let notice = notice("varlite") { Console.error(notice) }
  }
}
