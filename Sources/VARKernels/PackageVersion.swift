/// The version of the whole package: the library, its programs and what they write into files.
public enum PackageVersion {
  /// Major, minor and patch number, as the tag of the release without its `v`.
  public static let text = "0.1.0"
}
