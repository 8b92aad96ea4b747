/// The version of everything that is built from this checkout.
public enum ProductVersion {
    public static let text = "0.1.0"
}
