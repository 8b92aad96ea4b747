/// An error, a warning or just news, about one request or the whole connection.
public struct IBNotice: Hashable, Sendable {
    /// What notices about the whole connection have as their request.
    public static let wholeConnection: Int32 = -1

    public var request: Int32
    public var code: Int32
    public var text: String
    /// JSON; of refused orders only.
    public var detail = ""

    public init(request: Int32, code: Int32, text: String) {
        self.request = request
        self.code = code
        self.text = text
    }

    public var isAboutConnection: Bool { request == Self.wholeConnection }

    public var meaning: NoticeMeaning { NoticeMeaning(code: code, text: text) }
}
