internal import Glibc

/// A null-terminated list of C strings, which it frees.
// Safety: the pointers are valid as long as the object lives, which its user ensures.
@safe
final class CStrings {
    let pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) {
        unsafe pointers = strings.map { unsafe strdup($0) } + [nil]
    }

    deinit { unsafe pointers.forEach { unsafe free($0) } }
}
