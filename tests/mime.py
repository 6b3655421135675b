# Messages, and what Python's email package reads in them: for the test that
# compares popcard with it.
# usage: mime.py FOLDER COUNT [MESSAGE...]
# Writes COUNT messages, each with what it holds, as N.eml and N.want to FOLDER;
# for each MESSAGE, a file, only what Python reads in it.

import email
import os
import random
import re
import sys
from email import policy
from email.charset import BASE64, QP, Charset
from email.header import Header, decode_header
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.message import MIMEMessage
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import getaddresses

WORDS = {
    'us-ascii': 'plain words of a letter = with signs_and dots.',
    'utf-8': 'Grüße naïve żółć Привет 日本語 😀 ½ = _ ? €',
    'iso-8859-1': 'Grüße naïve façade año à l\'été = _ ?',
    'iso-8859-15': 'Grüße œuvre 5 € Šimon = _ ?',
    'windows-1252': 'Grüße „Zitat“ – naïve 5 € … = _ ?',
    'iso-8859-2': 'żółć příliš žluťoučký Őr = _',
    'koi8-r': 'Привет из Москвы съешь ещё = _',
    'windows-1251': 'Привет из Киева – їжак = _',
    'iso-2022-jp': '日本語 の テスト です かな カナ',
    'shift_jis': '日本語 の テスト 表示 能力',
    'euc-jp': '日本語 の テスト 表示 能力',
    'gb2312': '中文 测试 邮件 你好',
    'gb18030': '中文 测试 邮件 €300 ½',
    'big5': '中文 測試 郵件 你好',
    'euc-kr': '한국어 시험 메일 안녕',
    'iso-8859-7': 'Καλημέρα κόσμε ελληνικά',
}


def words(rnd, charset, most):
    all_words = WORDS[charset].split()
    return ' '.join(rnd.choice(all_words) for _ in range(rnd.randint(1, most)))


# A name or a subject as a sender would encode it.
def encoded(rnd, text, charset, most=None):
    if charset == 'us-ascii':
        return text
    c = Charset(charset)
    c.header_encoding = rnd.choice([QP, BASE64])
    c.output_charset = c.input_codec = c.output_codec = charset
    return Header(text, c, maxlinelen=most or 76).encode(linesep='\n')


def text_part(rnd):
    charset = rnd.choice(list(WORDS))
    lines = [words(rnd, charset, 12) for _ in range(rnd.randint(1, 6))]
    octets = ('\n'.join(lines) + '\n').encode(charset)
    part = MIMENonMultipart('text', rnd.choice(['plain', 'html']),
                            charset=charset)
    return add_payload(rnd, part, octets)


def add_payload(rnd, part, octets):
    how = rnd.choice(['base64', 'quoted-printable', '8bit'])
    if how == '8bit' and all(c != 0 for c in octets):
        part.set_payload(octets.decode('ascii', 'surrogateescape'))
        part['Content-Transfer-Encoding'] = '8bit'
    else:
        part.set_payload(octets)
        (email.encoders.encode_quopri if how == 'quoted-printable' else
         email.encoders.encode_base64)(part)
    return part


def file_part(rnd):
    part = MIMEBase(*rnd.choice([('application', 'pdf'), ('image', 'png'),
                                 ('application', 'octet-stream')]))
    octets = bytes(rnd.choice(b'\n =abc\xe9\xff.-') for _ in
                   range(rnd.randint(1, 200)))
    octets = octets.replace(b' \n', b'x\n').rstrip() + b'.'
    charset = rnd.choice(['us-ascii', 'utf-8', 'koi8-r', 'iso-8859-1'])
    name = words(rnd, charset, 9) + '.dat'
    if rnd.random() < .5:
        part.add_header('Content-Disposition', 'attachment',
                        filename=(charset, 'en', name))
    else:
        part.set_param('name', encoded(rnd, name, charset, 1000))
    return add_payload(rnd, part, octets)


def any_part(rnd, depth):
    kind = rnd.random()
    if depth > 3 or kind < .45:
        return text_part(rnd)
    if kind < .7:
        return file_part(rnd)
    if kind < .85:
        return MIMEMessage(message(rnd, depth + 1))
    part = MIMEMultipart(rnd.choice(['mixed', 'alternative', 'related']))
    for _ in range(rnd.randint(1, 4)):
        part.attach(any_part(rnd, depth + 1))
    return part


def message(rnd, depth=0):
    part = any_part(rnd, depth)
    while part.get_content_type() == 'message/rfc822':
        part = any_part(rnd, depth)
    charset = rnd.choice(list(WORDS))
    part['Subject'] = encoded(rnd, words(rnd, charset, 20), charset)
    charset = rnd.choice(list(WORDS))
    part['From'] = '%s <from@example.org>' % encoded(
        rnd, re.sub(r'[^\w ]', '', words(rnd, charset, 5)).strip() or 'Ann',
        charset)
    part['To'] = '"%s" <one@example.org>, two@example.org,\n three@x' % words(
        rnd, 'us-ascii', 3)
    part['Date'] = 'Fri, 27 Nov 2026 14:05:00 +0100'
    return part


# ---- what Python reads ----------------------------------------------------

def decoded(value):
    value = re.sub('\r?\n', '', str(value))
    text = ''.join(s if isinstance(s, str) else s.decode(c or 'ascii')
                   for s, c in decode_header(value))
    return re.sub('[\0-\x1f]', ' ', text)


def addresses(value):
    shown = []
    for name, address in getaddresses([re.sub('\r?\n', '', str(value))]):
        name = decoded(name)
        if re.search(r'[\0-\x7f]', re.sub(r"[\w !#$%&'*+/=?^`{|}~-]", '',
                                          name)):
            name = '"%s"' % re.sub(r'(["\\])', r'\\\1', name)
        shown.append('%s <%s>' % (name, address) if name else address)
    return ', '.join(shown)


def facts(msg):
    out = []
    for field, how in (('From', addresses), ('To', addresses),
                       ('Date', decoded), ('Subject', decoded)):
        if msg[field] is not None:
            out.append('%s: %s' % (field, how(msg[field])))
    for part in msg.walk():
        if part.is_multipart():
            continue
        name = decoded(part.get_filename() or '')
        octets = part.get_payload(decode=True)
        if part.get_content_maintype() == 'text':
            text = octets.decode(part.get_content_charset('utf-8'))
            content = text.replace('\r', '').replace('\n', '|')
        else:
            content = octets.hex()
        out.append('%s %s' % (part.get_content_type(), name))
        out.append(content)
    return '\n'.join(out) + '\n'


def main():
    folder, count, samples = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    rnd = random.Random(20261127)
    names = []
    for i in range(count):
        names.append(os.path.join(folder, '%d.eml' % i))
        with open(names[-1], 'wb') as f:
            f.write(message(rnd).as_bytes(policy=policy.compat32))
    for name in names + samples:
        with open(name, 'rb') as f:
            msg = email.message_from_binary_file(f)
        base = os.path.basename(name).rsplit('.', 1)[0]
        with open(os.path.join(folder, base + '.want'), 'wb') as f:
            f.write(facts(msg).encode('utf-8', 'surrogateescape'))


main()
