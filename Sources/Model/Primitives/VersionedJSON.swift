/// JSON documents that two releases of the product share: one writes them, the other reads them.
///
/// The member `v` is the version. One rule holds for all readers: members that the reader does not
/// know are ignored; a document without `v`, or of a higher version than the reader knows, is
/// refused. So a release may add members, and raises the version only where an older reader must
/// not use the document.
public enum VersionedJSON {
    static let member = "v"

    /// Why a document is not used.
    public enum Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        case damaged(String)
        /// A newer release wrote it. The text says what this program does not know of it.
        case newer(String)

        public var isNewer: Bool {
            switch self {
            case .damaged: false
            case .newer: true
            }
        }

        public var description: String {
            switch self {
            case .damaged(let problem): problem
            case .newer(let news):
                "a newer release wrote it (\(news)): upgrade this program to that release"
            }
        }
    }

    /// Parses a document, of which this program knows the versions up to `known`.
    public static func read(_ bytes: [UInt8], upTo known: Int) throws(Refusal) -> JSONValue {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue.parse(bytes)
        } catch {
            throw .damaged("\(error)")
        }
        guard let found = document[member]?.int, found >= 1 else {
            throw .damaged("it has no version from 1 on (member v)")
        }
        guard found <= known else {
            throw .newer("it has version \(found), this program knows \(known)")
        }
        return document
    }
}

extension JSONWriter {
    /// Writes a document of this version.
    public mutating func object(version: Int, _ body: (inout JSONWriter) -> Void) {
        object { json in
            json.member(VersionedJSON.member, version)
            body(&json)
        }
    }
}
