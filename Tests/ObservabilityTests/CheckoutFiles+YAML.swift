import TestSupport
import YAMLFile

extension CheckoutFiles {
    static func yaml(_ path: String) throws -> YAMLNode {
        try YAMLFile.parse(Array(try text(path).utf8))
    }
}

extension YAMLNode {
    subscript(key: String) -> YAMLNode? { mapping?.first { $0.key == key }?.value }

    var text: String? { scalar?.text }
}
