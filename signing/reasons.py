"""reasons — lý do: every reason a verdict can carry, by its stable code, in both languages.

Each says what was found and, for ``--explain``, what would have to be different.
The one place where these sentences are written.
"""

from __future__ import annotations

from dataclasses import dataclass

from signing.reasons_of_evidence import EVIDENCE
from signing.reasons_of_following import FOLLOWING
from signing.reasons_of_presentation import PRESENTATION
from signing.reasons_of_refusals import REFUSALS
from signing.report import Reason


@dataclass(frozen=True, slots=True)
class Text:
    """Sentences of one reason: what was found, and what would have to be different."""

    vi: str
    en: str
    remedy_vi: str
    remedy_en: str


CATALOGUE: dict[str, Text] = {}


def _add(code: str, vi: str, en: str, remedy_vi: str, remedy_en: str) -> None:
    CATALOGUE[code] = Text(vi, en, remedy_vi, remedy_en)


def reason(code: str, place: str = "", detail: str = "") -> Reason:
    """The reason with `code` at `place` in the input.

    Raises:
        KeyError: a code that is not in the catalogue.
    """
    text = CATALOGUE[code]
    more = f" ({detail})" if detail else ""
    return Reason(code, text.vi.rstrip(".") + more + ".", text.en.rstrip(".") + more + ".", place)


# Bytes and syntax of the file.
_add(
    "pdf.tampered.bytes",
    "Văn bản đã bị thay đổi sau khi ký",
    "The document was changed after it was signed",
    "Mỗi phạm vi byte đã ký phải có đúng một khoảng trống chứa chữ ký, và tệp phải kết thúc ở bản đã ký cuối cùng; hãy xin lại tệp gốc từ nơi gửi.",
    "Each signed byte range must have exactly one gap that holds the signature, and the file must end with its last revision; ask for the original.",
)
_add(
    "pdf.tampered.changed",
    "Nội dung đã bị thay đổi sau khi ký",
    "Content was changed after signing",
    "Sau khi ký chỉ được thêm dữ liệu xác thực hoặc điền trường chữ ký đã khai báo trước; hãy xin lại tệp gốc từ nơi gửi.",
    "After signing only validation data may be added, or a signature field that was declared before be filled; ask for the original.",
)
_add(
    "pdf.cannot_verify",
    "Không kiểm tra được chữ ký của tệp này",
    "The signatures of this file cannot be verified",
    "Tệp phải là PDF đúng cú pháp, không mã hóa; hãy xuất lại từ phần mềm gốc và ký lại.",
    "The file must be a well-formed PDF without encryption; export it anew and sign it again.",
)
_add(
    "pdf.limit",
    "Việc kiểm tra tệp vượt giới hạn cho phép nên chưa có kết quả",
    "Verification of the file went over its limits; there is no result",
    "Tệp phải kiểm tra được trong giới hạn thời gian và bộ nhớ; hãy xin bản ít phiên bản cập nhật hơn.",
    "The file must verify within the limits of time and memory; ask for a copy with fewer revisions.",
)
_add(
    "pdf.changed_meanwhile",
    "Tệp bị ghi đè trong lúc đang được kiểm tra",
    "The file was written to while it was being verified",
    "Tệp phải đứng yên trong lúc kiểm tra; hãy chờ ghi xong rồi kiểm tra lại.",
    "The file must stand still while it is verified; wait until it is written and verify it again.",
)
_add(
    "pdf.degraded",
    "Cú pháp PDF không chuẩn; kết quả kém chắc chắn hơn",
    "The PDF syntax is not regular; the result is less certain",
    "Tệp phải đúng chuẩn ISO 32000 (không có bảng tham chiếu lai, không dùng lại số đối tượng); hãy xuất lại từ phần mềm gốc rồi ký.",
    "The file must follow ISO 32000 strictly (no hybrid reference table, no object number used twice); export it anew, then sign.",
)
_add(
    "pdf.encrypted",
    "Tệp PDF bị mã hóa nên không kiểm tra được",
    "The PDF is encrypted and cannot be verified",
    "Văn bản liên thông không được mã hóa; hãy gửi bản không đặt mật khẩu.",
    "An exchanged document must not be encrypted; send it without a password.",
)
_add(
    "pdf.unreachable",
    "Sau khi ký có thêm đối tượng mà không thành phần nào của văn bản dùng đến",
    "Objects were added after signing that no part of the document uses",
    "Bản cập nhật sau khi ký chỉ được chứa dữ liệu xác thực, dấu thời gian hoặc chữ ký; hãy xin bản không có phần thừa.",
    "An update after signing may hold validation data, time-stamps and signatures only; ask for a copy without the rest.",
)
# One signature.
_add(
    "signature.broken",
    "Chữ ký số không khớp với nội dung",
    "The digital signature does not match the content",
    "Nội dung phải đúng như lúc ký; hãy xin lại tệp gốc từ nơi gửi.",
    "The content must be as it was signed; ask for the original.",
)
_add(
    "signature.malformed",
    "Cấu trúc chữ ký số không đọc được",
    "The signature cannot be decoded",
    "Chữ ký phải là CMS một người ký, mã hóa DER, có thuộc tính signing-certificate; hãy ký lại bằng phần mềm đạt chuẩn.",
    "The signature must be a DER-encoded CMS by one signer with the signing-certificate attribute; sign again with conforming software.",
)
_add(
    "signature.unsupported",
    "Loại chữ ký không được hỗ trợ nên chưa kết luận được",
    "The kind of signature is not supported; no conclusion",
    "Chữ ký phải là PAdES hoặc adbe.pkcs7.detached; hãy ký lại bằng phần mềm đạt chuẩn.",
    "The signature must be PAdES or adbe.pkcs7.detached; sign again with conforming software.",
)
_add(
    "signature.certificate_unreadable",
    "Chứng thư của người ký không đọc được",
    "The signer's certificate cannot be decoded",
    "Chứng thư phải đúng chuẩn X.509; hãy xin cấp lại chứng thư.",
    "The certificate must be a valid X.509 encoding; have it issued again.",
)
_add(
    "signature.untrusted",
    "Chứng thư không dẫn tới gốc tin cậy",
    "The certificate has no path to a trusted root",
    "Gốc của nơi cấp chứng thư phải có trong thư mục tin cậy; hãy bổ sung nếu nơi cấp được công nhận.",
    "The issuer's root must be in the trust folder; add it if the issuer is recognised.",
)
_add(
    "signature.revoked",
    "Chứng thư đã bị thu hồi",
    "The certificate was revoked",
    "Chứng thư phải còn hiệu lực vào thời điểm ký được chứng minh; hãy ký lại bằng chứng thư còn hiệu lực.",
    "The certificate must have been in good standing at the proven signing time; sign again with a valid certificate.",
)
_add(
    "signature.expired",
    "Chứng thư không còn hiệu lực tại thời điểm xét",
    "The certificate is outside its validity at the time judged",
    "Cần dấu thời gian chứng minh đã ký khi chứng thư còn hiệu lực; hãy gia hạn lưu trữ (LTA) trước khi chứng thư hết hạn.",
    "A time-stamp must prove that it was signed while the certificate was valid; renew archives (LTA) before expiry.",
)
_add(
    "signature.not_yet_valid",
    "Chứng thư chưa có hiệu lực tại thời điểm xét",
    "The certificate is not yet valid at the time judged",
    "Thời điểm ký phải sau ngày bắt đầu hiệu lực của chứng thư; hãy kiểm tra đồng hồ.",
    "The signing time must be after the start of the certificate's validity; check the clock.",
)
_add(
    "signature.key_usage",
    "Chứng thư không được cấp để ký",
    "The certificate was not issued for signing",
    "Chứng thư phải có mục đích digitalSignature hoặc contentCommitment.",
    "The certificate must carry digitalSignature or contentCommitment.",
)
_add(
    "signature.revocation_unknown",
    "Chưa kiểm tra được tình trạng thu hồi của chứng thư",
    "The certificate's revocation status could not be checked",
    "Cần CRL hoặc OCSP còn hạn của nơi cấp, nhúng trong tệp hoặc có trong thư mục tin cậy; sẽ kiểm tra lại khi có.",
    "A current CRL or OCSP answer of the issuer is wanted, embedded or in the trust folder; it is checked again when there is one.",
)
_add(
    "signature.timestamp_broken",
    "Dấu thời gian của chữ ký không hợp lệ",
    "The signature's time-stamp does not hold",
    "Dấu thời gian phải khớp chữ ký và do nơi cấp tin cậy ký.",
    "The time-stamp must match the signature and come from a trusted authority.",
)
_add(
    "signature.timestamp_untrusted",
    "Dấu thời gian do nơi cấp chưa được tin cậy nên không dùng làm bằng chứng thời gian",
    "The time-stamp comes from an authority that is not trusted, and proves no time",
    "Gốc của nơi cấp dấu thời gian phải có trong thư mục tin cậy.",
    "The root of the time-stamp authority must be in the trust folder.",
)
_add(
    "signature.timestamp_expired",
    "Chứng thư của nơi cấp dấu thời gian đã hết hạn mà chưa có bằng chứng thời gian mới hơn",
    "The time-stamp authority's certificate ran out before a newer proof of time was added",
    "Phải gia hạn lưu trữ (LTA) trước khi chứng thư của nơi cấp dấu thời gian hết hạn.",
    "Archives must be renewed (LTA) before the authority's certificate expires.",
)
_add(
    "signature.timestamp_type",
    "Dấu thời gian bị ghi sai loại",
    "A time-stamp is stored under the wrong type",
    "Dấu thời gian văn bản phải có /Type /DocTimeStamp; hãy ký lại bằng phần mềm đạt chuẩn.",
    "A document time-stamp must carry /Type /DocTimeStamp; sign again with conforming software.",
)
_add(
    "signature.weak_algorithm",
    "Thuật toán ký quá yếu tại thời điểm xét",
    "The signature algorithm was too weak at the time judged",
    "Cần SHA-256 trở lên và RSA từ 2048 bit hoặc ECDSA từ 256 bit; hãy ký lại.",
    "SHA-256 or better with RSA of 2048 bits or ECDSA of 256 bits is wanted; sign again.",
)
_add(
    "signature.not_allowed",
    "Thuật toán ký không thuộc danh mục của chính sách",
    "The signature algorithm is not on the policy's list",
    "Thông tư 15/2025/TT-BKHCN yêu cầu RSASSA-PSS từ 2048 bit hoặc ECDSA từ 256 bit, với SHA-2 hoặc SHA-3.",
    "Circular 15/2025/TT-BKHCN wants RSASSA-PSS of 2048 bits or ECDSA of 256 bits, with SHA-2 or SHA-3.",
)
_add(
    "signature.weak_binding",
    "Chữ ký nêu chứng thư của người ký bằng hàm băm yếu",
    "The signature names the signer's certificate by a weak hash",
    "Thuộc tính signing-certificate phải dùng SHA-2 hoặc SHA-3 (ESSCertIDv2); hãy ký lại bằng phần mềm đạt chuẩn.",
    "The signing-certificate attribute must use SHA-2 or SHA-3 (ESSCertIDv2); sign again with conforming software.",
)
_add(
    "signature.legacy_algorithm",
    "Chữ ký dùng RSA PKCS#1 v1.5, ngoài danh mục năm 2025",
    "The signature uses RSA PKCS#1 v1.5, which is not on the 2025 list",
    "Chữ ký mới nên dùng RSASSA-PSS hoặc ECDSA.",
    "New signatures should use RSASSA-PSS or ECDSA.",
)
_add(
    "signature.certificate_kind",
    "Sai loại chứng thư: không phải chứng thư chuyên dùng công vụ",
    "Wrong kind of certificate: not an official-duty certificate",
    "Văn bản của cơ quan phải ký bằng chứng thư chuyên dùng công vụ.",
    "A document of an agency must be signed with an official-duty certificate.",
)
_add(
    "signature.docmdp",
    "Thay đổi sau khi ký vượt mức mà chữ ký chứng nhận cho phép",
    "Changes after signing exceed what the certification allows",
    "Chỉ được thay đổi trong mức mà chữ ký chứng nhận cho phép.",
    "Only changes that the certification signature permits may follow.",
)
_add(
    "signature.undeclared_field",
    "Có trường được thêm sau khi ký mà không khai báo trước",
    "A field was added after signing without having been declared",
    "Mọi trường chữ ký phải được tạo trước chữ ký đầu tiên.",
    "All signature fields must exist before the first signature.",
)
_add(
    "signature.form_filled",
    "Có trường biểu mẫu được điền sau khi ký",
    "A form field was filled after signing",
    "Văn bản ban hành không được có trường biểu mẫu nào ngoài trường chữ ký; hãy xuất bản không có biểu mẫu rồi ký.",
    "An issued document has no form fields but signature fields; export it without the form, then sign.",
)
_add(
    "signature.long_term_unknown",
    "Chưa đánh giá được dữ liệu lưu trữ dài hạn của chữ ký",
    "The signature's long-term data could not be evaluated",
    "Dữ liệu DSS và dấu thời gian lưu trữ phải đầy đủ và đúng thứ tự.",
    "DSS data and archive time-stamps must be complete and in order.",
)
_add(
    "signature.ades",
    "Quy trình kiểm tra AdES chưa kết luận đạt",
    "The AdES validation process did not conclude that it passed",
    "Cả hai cách kiểm tra phải cùng đạt; xem phần chi tiết.",
    "Both ways of checking must pass; see the details.",
)
# The two-signature rule.
_add(
    "signature.person_missing",
    "Thiếu chữ ký số của người có thẩm quyền",
    "The authorised person's signature is missing",
    "Người có thẩm quyền phải ký trước (NĐ 30/2020 Điều 5.1); hãy trả lại nơi gửi để ký bổ sung.",
    "The authorised person signs first (NĐ 30/2020 Art 5.1); return it to the sender to be signed.",
)
_add(
    "signature.agency_missing",
    "Thiếu chữ ký số của cơ quan",
    "The agency's signature is missing",
    "Văn thư phải ký số của cơ quan sau chữ ký của người có thẩm quyền (NĐ 30/2020 Điều 5.1, 32).",
    "The clerk applies the agency's signature after the person's (NĐ 30/2020 Art 5.1, 32).",
)
_add(
    "signature.wrong_order",
    "Sai thứ tự: cơ quan ký trước người có thẩm quyền",
    "Wrong order: the agency signed before the authorised person",
    "Cơ quan chỉ ký lên văn bản đã có chữ ký của người có thẩm quyền (NĐ 30/2020 Điều 32.2.d); hãy ký lại đúng thứ tự.",
    "The agency signs only what the person has signed (NĐ 30/2020 Art 32.2.d); sign again in order.",
)
_add(
    "signature.none",
    "Văn bản không có chữ ký số",
    "The document carries no digital signature",
    "Bản điện tử có giá trị như bản gốc khi có chữ ký của người có thẩm quyền và của cơ quan.",
    "An electronic document equals the original when the authorised person and the agency have signed it.",
)
# Marks on the page.
_add(
    "mark.missing",
    "Phụ lục không có thông tin ký số của cơ quan ở góc trên bên phải trang đầu",
    "The attachment shows no mark of the agency's signature at the top right of its first page",
    "Chữ ký số trên phụ lục riêng phải hiện số, ký hiệu văn bản và thời gian ký (NĐ 30/2020 Phụ lục I-I-II.8.b).",
    "The signature on a separate attachment shows the document's number, symbol and signing time (NĐ 30/2020 Annex I-I-II.8.b).",
)
_add(
    "mark.number_differs",
    "Số, ký hiệu trên phụ lục khác với văn bản",
    "The number on the attachment differs from the document's",
    "Số, ký hiệu hiện trên phụ lục phải đúng là của văn bản kèm theo; hãy trả lại nơi gửi.",
    "The number and symbol on the attachment must be those of its document; return it to the sender.",
)
_add(
    "mark.time",
    "Thời gian trên thông tin ký số không đúng mẫu hoặc khác thời điểm ký",
    "The time in the mark is not in the prescribed form or differs from the signing time",
    "Thời gian ghi ngày, giờ, phút, giây và múi giờ +07:00 (ISO 8601), đúng lúc ký.",
    "The time shows date, hour, minute, second and the zone +07:00 (ISO 8601), as signed.",
)
_add(
    "mark.place",
    "Vị trí hoặc kích thước hình ảnh chữ ký không đúng thể thức",
    "The place or size of the signature's appearance is not as prescribed",
    "Dấu của cơ quan trùm khoảng 1/3 chữ ký về bên trái; thông tin ký số ở góc trên bên phải trang đầu.",
    "The seal covers about a third of the person's signature on its left; marks stand at the top right of page one.",
)
_add(
    "mark.colour",
    "Màu hình ảnh chữ ký không đúng thể thức",
    "The colour of the signature's appearance is not as prescribed",
    "Chữ ký của người có thẩm quyền màu xanh, dấu cơ quan màu đỏ, chữ màu đen.",
    "The person's signature is blue, the agency's seal red, text black.",
)
_add(
    "mark.font",
    "Phông chữ hoặc cỡ chữ của thông tin ký số không đúng thể thức",
    "The font or size of the mark is not as prescribed",
    "Phông Times New Roman, kiểu đứng, cỡ 10, màu đen.",
    "Times New Roman, upright, 10 point, black.",
)
_add(
    "mark.unreadable",
    "Không đọc lại được thông tin ký số trên trang",
    "The mark on the page cannot be read back",
    "Phông chữ nhúng phải có bảng ToUnicode.",
    "The embedded font must carry a ToUnicode table.",
)
_add(
    "mark.over_text",
    "Hình ảnh chữ ký nằm ngoài khung đã khai báo",
    "The signature's appearance leaves its declared box",
    "Hình ảnh phải nằm trong khung của trường đã khai báo trước khi ký.",
    "The appearance must stay within the box declared before signing.",
)
for _row in (*PRESENTATION, *FOLLOWING, *EVIDENCE, *REFUSALS):
    _add(*_row)
# Sources of trust and revocation.
_add(
    "trust.source_down",
    "Nguồn thông tin thu hồi không trả lời",
    "A source of revocation data did not answer",
    "Dữ liệu đang giữ vẫn dùng đến khi hết hạn; nguồn được hỏi lại tự động sau thời gian chờ. Hãy kiểm tra mạng nếu lỗi kéo dài.",
    "What is kept stays in use until it runs out; the source is asked again by itself after a pause. Check the network if it lasts.",
)
_add(
    "trust.source_invalid",
    "Nguồn thông tin thu hồi trả về dữ liệu không dùng được",
    "A source of revocation data gave something unusable",
    "CRL hoặc OCSP phải do nơi cấp chứng thư trong thư mục tin cậy ký và còn hạn.",
    "The CRL or OCSP answer must be signed by an issuer of the trust folder and be in date.",
)
_add(
    "trust.source_not_allowed",
    "Địa chỉ nguồn thu hồi không thuộc danh sách được phép",
    "The address of a revocation source is not on the allow-list",
    "Hãy thêm địa chỉ vào mục allow của sources.toml nếu tin cậy nơi cấp này.",
    "Add the address to allow in sources.toml if the issuer is trusted.",
)
_add(
    "trust.list_expired",
    "Danh sách tin cậy đã quá hạn cập nhật",
    "The trust list is past its next update",
    "Hãy nhập bản danh sách mới hơn bằng lệnh vanthu trust import-list.",
    "Import a newer list with vanthu trust import-list.",
)
